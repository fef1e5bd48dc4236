"""What it means for the caller that a provider did not answer, or answered with a refusal."""

from __future__ import annotations

from lumigate.errors import (
    LumigateError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from lumigate.llm.provider import Provider
from lumigate.llm.router import Target
from lumigate.ports import FetchError, FetchResponse

MAX_ERROR_BYTES = 64 * 1024
_OUR_BUSINESS = frozenset({401, 402, 403, 407})
"""Statuses by which a provider refuses *our* credentials or our money: not the caller's to see."""


async def refusal_of(
    target: Target, provider: Provider, response: FetchResponse, *, is_told: bool
) -> LumigateError:
    """Of an answer other than 200; `is_told` says whether its words may go to telemetry."""
    name, status = target.access.name, response.status
    if status == 429:
        return UpstreamRateLimited(name, response.headers.get("retry-after"))
    if status not in range(400, 500) or status in _OUR_BUSINESS:
        return UpstreamFailed(name, status)
    body = await response.read(MAX_ERROR_BYTES)
    # Providers quote the key that they refuse, and what else they were sent.
    clean = target.access.without_secrets
    message, param = provider.error_message(clean((body or b"").decode("utf-8", "replace")).encode())
    refused = UpstreamRefused(name, status, clean(message), param and clean(param))
    refused.is_told = is_told
    return refused


def fault_of(target: Target, error: FetchError, seconds: float) -> LumigateError:
    """Of no answer, or half of one; `seconds` is how long was waited."""
    name = target.access.name
    return UpstreamTimeout(name, seconds) if error.reason == "timeout" else UpstreamUnreachable(name)
