"""Which failures of a provider are worth another try, of the same candidate or of the next, and when. Pure."""

from __future__ import annotations

from lumigate.errors import (
    LumigateError,
    UpstreamBadAnswer,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from lumigate.telemetry.retry import retry_after_ns


def may_ask_again(error: LumigateError) -> bool:
    """Whether the same candidate may do better in a moment."""
    if isinstance(error, UpstreamFailed):
        return error.upstream_status >= 500 or error.upstream_status == 200
    if isinstance(error, UpstreamRefused):
        return error.status == 408
    return isinstance(error, UpstreamRateLimited | UpstreamUnreachable)


def may_ask_another(error: LumigateError) -> bool:
    """Whether another candidate may do better; not where the request itself is at fault."""
    if isinstance(error, UpstreamRefused):
        return error.status in (404, 408)
    return isinstance(
        error,
        UpstreamFailed | UpstreamRateLimited | UpstreamUnreachable | UpstreamTimeout | UpstreamBadAnswer,
    )


def retry_after_seconds(header: str | None, now_ns: int) -> float | None:
    """The delay of a `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). None where it is neither."""
    if header is None:
        return None
    if header.isascii() and header.replace(".", "", 1).isdigit():
        return float(header)
    moment_ns = retry_after_ns({"retry-after": header}, now_ns)
    return None if moment_ns is None else (moment_ns - now_ns) / 1e9
