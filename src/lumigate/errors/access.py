"""Who is calling is not known, may not do this, or cannot be checked right now."""

from __future__ import annotations

from typing import ClassVar

from lumigate.errors.root import CallerError


class Unauthenticated(CallerError):
    """No token, or one that does not hold. `reason` is from the catalog's closed set and goes to telemetry."""

    status = 401
    type = "authentication_error"
    code = "invalid_token"

    MESSAGES: ClassVar[dict[str, str]] = {
        "missing": "No credentials. Send 'authorization: Bearer …'.",
        "malformed": "The token is not a well-formed JSON Web Token.",
        "unsupported_algorithm": "The token's algorithm is not accepted here.",
        "unknown_key": "The token was signed by a key that its issuer does not publish.",
        "bad_signature": "The token's signature does not hold.",
        "expired": "The token has expired.",
        "not_yet_valid": "The token is not valid yet.",
        "wrong_issuer": "The token was issued by someone else.",
        "wrong_audience": "The token is meant for another audience.",
        "wrong_party": "The token was issued to another party.",
        "wrong_type": "The token is of a type that gives no access.",
        "lifetime_too_long": "The token is valid for longer than is accepted here.",
        "revoked": "The token has been revoked.",
        "unknown_api_key": "The API key is not known here.",
        "api_key_malformed": "The API key has a character wrong, or was cut short.",
        "api_key_expired": "The API key has expired.",
        "api_key_revoked": "The API key has been revoked.",
        "keys_unavailable": "The issuer's keys cannot be fetched right now; try again shortly.",
        "store_unavailable": "The credentials cannot be checked right now; try again shortly.",
    }

    _CODES: ClassVar[dict[str, str]] = {
        "unknown_api_key": "invalid_api_key",
        "api_key_malformed": "invalid_api_key",
        "api_key_expired": "api_key_expired",
        "api_key_revoked": "api_key_revoked",
    }

    def __init__(self, reason: str) -> None:
        super().__init__(self.MESSAGES[reason], headers={"www-authenticate": self._challenge(reason)})
        self.reason = reason
        self.code = self._CODES.get(reason, f"token_{reason}")

    @staticmethod
    def _challenge(reason: str) -> str:
        """RFC 6750, section 3: no error code when no credentials were sent."""
        return (
            "Bearer" if reason == "missing" else f'Bearer error="invalid_token", error_description="{reason}"'
        )


class KeysUnavailable(Unauthenticated):
    """The token could not be checked, which is not the caller's fault: 503, so that clients try again."""

    status = 503
    type = "server_error"
    code = "keys_unavailable"

    def __init__(self) -> None:
        super().__init__("keys_unavailable")
        self.code = "keys_unavailable"
        self.headers = {"retry-after": "5"}


class CredentialStoreUnavailable(KeysUnavailable):
    """The store that knows API keys and revoked tokens did not answer."""

    code = "store_unavailable"

    def __init__(self) -> None:
        Unauthenticated.__init__(self, "store_unavailable")
        self.code = "store_unavailable"
        self.headers = {"retry-after": "5"}


class MissingScope(CallerError):
    """The caller is known, and may not do this (RFC 6750, section 3.1). The scopes are those of the settings."""

    status = 403
    type = "permission_error"
    code = "missing_scope"

    def __init__(self, on: str, scopes: tuple[str, ...]) -> None:
        names = " ".join(scopes)
        super().__init__(
            f"This {on} asks for a scope that the credential does not carry: {names}.",
            param="model" if on == "model" else None,
            headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{names}"'},
        )


class UnknownApiKeyId(CallerError):
    """An admin route was asked about a key that there is not, or that is over."""

    status = 404
    code = "unknown_api_key_id"

    def __init__(self) -> None:
        super().__init__("There is no active API key of this id. GET /admin/keys lists them.", param="id")
