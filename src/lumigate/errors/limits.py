"""What a caller may use is used up: requests, tokens, money. Each says when to come again, if that helps."""

from __future__ import annotations

from lumigate.errors.root import CallerError, LumigateError

_MAX_RETRY_SECONDS = 300


class CostCeilingExceeded(CallerError):
    """The request could cost more than one request may."""

    code = "cost_ceiling_exceeded"

    def __init__(self, bound_usd: float, ceiling_usd: float) -> None:
        super().__init__(
            f"This request could cost up to {bound_usd:.4f} USD, and one request may cost {ceiling_usd:g} USD: "
            "shorten the prompt or lower max_tokens.",
            param="max_tokens",
        )


class RateLimited(CallerError):
    """Too many requests: of the tenant, or of the address."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limited"

    def __init__(self, retry_after_seconds: int | None, why: str = "") -> None:
        """`why` says which limit it was; None seconds: a limit that lets nothing through."""
        said = f"Too many requests: {why}." if why else "Too many requests."
        super().__init__(said + _again_in(retry_after_seconds), headers=_retry_headers(retry_after_seconds))


class TokensLimited(CallerError):
    """The tenant's tokens a minute are used up, or the request alone may need more than that."""

    status = 429
    type = "rate_limit_error"
    code = "tokens_limited"

    def __init__(self, needed: int, limit: int, retry_after_seconds: int | None) -> None:
        said = f"This request may use {needed} tokens, and the limit is {limit} a minute"
        what = "." if retry_after_seconds else ": shorten the prompt or lower max_tokens."
        super().__init__(
            said + what + _again_in(retry_after_seconds),
            param=None if retry_after_seconds else "max_tokens",
            headers=_retry_headers(retry_after_seconds),
        )


class BudgetExceeded(CallerError):
    """The tenant's money for the day or the month is spent, or what is left is less than the request may cost."""

    status = 429
    type = "insufficient_quota"
    code = "budget_exceeded"

    def __init__(
        self,
        *,
        period: str,
        budget_usd: float,
        left_usd: float,
        needed_usd: float,
        retry_after_seconds: int | None,
    ) -> None:
        super().__init__(
            f"The budget of the {period} is {budget_usd:g} USD, {left_usd:.4f} of it are left, and this request may "
            f"cost {needed_usd:.4f}." + _again_in(retry_after_seconds),
            headers=_retry_headers(retry_after_seconds),
        )


class NoRoomForBody(LumigateError):
    """Other requests of this isolate hold as much of its memory as bodies may take."""

    status = 503
    code = "no_room_for_body"

    def __init__(self) -> None:
        super().__init__(
            "Too many large requests are in progress; try again shortly.", headers={"retry-after": "1"}
        )


class LimitsUnavailable(LumigateError):
    """A limit that must hold cannot be checked, and the deployment prefers refusing to guessing."""

    status = 503
    code = "limits_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The limits cannot be checked right now; try again shortly.", headers={"retry-after": "5"}
        )


def _again_in(seconds: int | None) -> str:
    """When to come again, for a message."""
    return "" if seconds is None else f" Try again in {seconds} s."


def _retry_headers(seconds: int | None) -> dict[str, str]:
    """For whom a limit keeps out. Official clients obey `x-should-retry`: no use in waiting out a long limit."""
    headers = {} if seconds is None else {"retry-after": str(seconds)}
    is_soon = seconds is not None and seconds <= _MAX_RETRY_SECONDS
    return headers if is_soon else headers | {"x-should-retry": "false"}
