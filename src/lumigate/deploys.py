"""What becomes of each deployment, as the running versions themselves show it: kept, or rolled back.

The cron trigger runs on whichever version Cloudflare chooses; during a gradual rollout that is now one, now the other.
So a new version is a candidate until it has been alone for `SETTLE_MINUTES` (kept), or the old one has (rolled back).
What has been seen lies in KV; the arithmetic is pure.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from lumigate import strict_json
from lumigate.ports import KeyValue

KEY = "deploys:v1"
SETTLE_MINUTES = 30
_TTL_SECONDS = 90 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The version in force and the one that may replace it, with when each last ran the cron (Unix seconds)."""

    current: str
    current_s: int
    candidate: str = ""
    candidate_s: int = 0


def observe(seen: Seen | None, version: str, now_s: int) -> tuple[Seen, str]:
    """What is known after `version` ran at `now_s`, and what was settled by it: `kept`, `rolled_back` or nothing."""
    if seen is None:
        return Seen(current=version, current_s=now_s), ""
    patience_s = SETTLE_MINUTES * 60
    if version == seen.current:
        if seen.candidate and now_s - seen.candidate_s >= patience_s:
            return Seen(current=version, current_s=now_s), "rolled_back"
        return replace(seen, current_s=now_s), ""
    if version != seen.candidate:
        # A third version replaces a candidate that never settled: fixed forward, which is no rollback.
        return replace(seen, candidate=version, candidate_s=now_s), ""
    if now_s - seen.current_s >= patience_s:
        return Seen(current=version, current_s=now_s), "kept"
    return replace(seen, candidate_s=now_s), ""


async def watch(store: KeyValue, version: str, now_s: int) -> str:
    """Take note of a cron run; the result that it settled, if any. Raises what the store raises."""
    data = await store.get(KEY)
    seen, result = observe(_read(data), version, now_s)
    await store.put(KEY, json.dumps(asdict(seen)).encode("ascii"), ttl_seconds=_TTL_SECONDS)
    return result


def _read(data: bytes | None) -> Seen | None:
    """What an earlier run wrote; nothing where it cannot be read, as at the very first run."""
    found = strict_json.load_object(data) if data else None
    try:
        return Seen(**found) if found else None
    except TypeError:
        return None
