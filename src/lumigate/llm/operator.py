"""What whoever is on call has said about providers: one to be passed over, until a moment.

It lives in KV, where an admin route puts it; every isolate reads it beside its requests, never before them, so a word
reaches them all within `REFRESH_NS` and what KV takes to spread (a minute, by its documentation). It outweighs what an
isolate has seen for itself; with nobody else to ask, a provider is asked all the same, as with an open breaker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.llm.provider import mapping
from lumigate.ports import KeyValue

OPERATOR_KEY = "lumigate:operator:v1"
REFRESH_NS = 15_000_000_000
LONGEST_SECONDS = 86_400
_MAX_PROVIDERS = 64


class OperatorWord:
    """What this isolate last read. Plain data; outlives requests."""

    __slots__ = ("_read_ns", "_until")

    def __init__(self) -> None:
        self._until: Mapping[str, float] = {}
        self._read_ns = 0

    def is_due(self, now_ns: int) -> bool:
        """Whether to read again; says so once a period, so that one request of many does it."""
        if self._read_ns and now_ns - self._read_ns < REFRESH_NS:
            return False
        self._read_ns = now_ns
        return True

    def avoids(self, provider: str, now_ns: int) -> bool:
        """Whether the provider is to be passed over now."""
        until = self._until.get(provider)
        return until is not None and now_ns < until * 1e9

    async def read(self, store: KeyValue) -> None:
        """Take what is written. A store that does not answer, or nonsense in it, leaves what was known."""
        try:
            self._until = await read_avoided(store)
        except Exception:
            return


async def read_avoided(store: KeyValue) -> dict[str, float]:
    """Providers and the moments (seconds since the epoch) until which they are to be passed over."""
    stored = await store.get(OPERATOR_KEY)
    document: Mapping[str, Any] = {} if stored is None else strict_json.load_object(stored) or {}
    listed = list(mapping(document.get("avoid")).items())[:_MAX_PROVIDERS]
    return {
        name: float(until)
        for name, until in listed
        if isinstance(until, int | float) and not isinstance(until, bool)
    }


async def write_avoided(store: KeyValue, avoided: Mapping[str, float], now_seconds: float) -> None:
    """Put down who is to be passed over; moments that have gone by are left out."""
    standing = {name: until for name, until in avoided.items() if until > now_seconds}
    if standing:
        body = json.dumps({"avoid": standing}).encode()
        await store.put(OPERATOR_KEY, body, ttl_seconds=LONGEST_SECONDS)
    else:
        await store.delete(OPERATOR_KEY)
