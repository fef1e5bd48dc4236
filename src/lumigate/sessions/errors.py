"""What can go wrong with a session, by whose fault it is."""

from __future__ import annotations

from lumigate.errors import CallerError, LumigateError


class SessionNotFound(CallerError):
    """There is none, it has expired, or it is someone else's: nobody learns which."""

    status = 404
    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such session, or it has expired.")


class VersionNotFound(CallerError):
    """There is no code yet, or the version is no longer kept."""

    status = 404
    code = "version_not_found"

    def __init__(self, kept: tuple[int, ...]) -> None:
        which = f"kept are {kept[0]} to {kept[-1]}" if kept else "there is no code yet"
        super().__init__(f"There is no such version of the code: {which}.", param="version")


class SessionBusy(CallerError):
    """Another message of the session was being answered for longer than this one may wait."""

    status = 409
    code = "session_busy"

    def __init__(self, *, retried: bool) -> None:
        what = "This message is" if retried else "Messages before this one are"
        super().__init__(
            f"{what} still being answered. Send it again with the same idempotency-key.",
            headers={"retry-after": "2"},
        )


class TurnLost(CallerError):
    """The turn ran out and another message took it: the answer was not kept."""

    status = 409
    code = "session_turn_lost"

    def __init__(self) -> None:
        super().__init__(
            "The answer took so long that another message took its turn. Send it again.",
            headers={"retry-after": "1"},
        )


class IdempotencyKeyReused(CallerError):
    """https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/"""

    status = 422
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This idempotency-key was used for another message.", param="idempotency-key")


class TooManySessions(CallerError):
    """The subject has as many as it may have."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_sessions"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} sessions, as many as there may be. Delete some, or let them expire."
        )


class SessionsNotConfigured(LumigateError):
    """The deployment lacks what sessions need."""

    status = 503
    code = "sessions_not_configured"

    def __init__(self, missing: str) -> None:
        super().__init__(f"This deployment has no sessions: {missing} is missing.")


class SessionsUnavailable(LumigateError):
    """The store of sessions does not answer."""

    status = 503
    code = "sessions_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "Sessions cannot be reached right now. Try again shortly.", headers={"retry-after": "2"}
        )


class SessionUnreadable(LumigateError):
    """What is stored does not open: its key is gone from the settings, or it was tampered with."""

    status = 503
    code = "session_unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The session cannot be opened ({reason}).")
