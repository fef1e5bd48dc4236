"""What an answer tells of the limits a minute.

`RateLimit` and `RateLimit-Policy` are the current IETF draft's (draft-ietf-httpapi-ratelimit-headers-10), one item a
limit; `ratelimit-limit`, `-remaining` and `-reset` are those of its versions up to 7, which clients read, for the
limit that is nearest to its end; `x-ratelimit-*` are OpenAI's (https://platform.openai.com/docs/guides/rate-limits).
Budgets are not in them: `GET /v1/usage` tells those.
"""

from __future__ import annotations

from collections.abc import Sequence

from lumigate.ledger.book import Kind
from lumigate.ledger.window import SECONDS
from lumigate.ledger.wire import Quota


def limit_headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """Empty for a tenant without a limit a minute. Reset times are rounded up to whole seconds."""
    shown = [q for q in quotas if q.kind in (Kind.REQUESTS, Kind.TOKENS)]
    if not shown:
        return {}
    nearest = min(shown, key=lambda q: q.remaining / q.limit if q.limit else 0.0)
    headers = {
        "ratelimit-policy": ", ".join(_policy(q) for q in shown),
        "ratelimit": ", ".join(f'"{q.kind}";r={q.remaining};t={_seconds(q)}' for q in shown),
        "ratelimit-limit": str(nearest.limit),
        "ratelimit-remaining": str(nearest.remaining),
        "ratelimit-reset": str(_seconds(nearest)),
    }
    for quota in shown:
        headers[f"x-ratelimit-limit-{quota.kind}"] = str(quota.limit)
        headers[f"x-ratelimit-remaining-{quota.kind}"] = str(quota.remaining)
        headers[f"x-ratelimit-reset-{quota.kind}"] = f"{_seconds(quota)}s"
    return headers


def _policy(quota: Quota) -> str:
    unit = "" if quota.kind is Kind.REQUESTS else ';qu="tokens"'
    return f'"{quota.kind}";q={quota.limit};w={SECONDS}{unit}'


def _seconds(quota: Quota) -> int:
    return -(-quota.reset_ms // 1000)
