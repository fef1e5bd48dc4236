"""The rate-limit binding in memory: a fixed window for each key.

https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/
"""

from __future__ import annotations

from typing import Literal

from lumigate.telemetry.host import Clock


class FixedWindowRateLimit:
    """Allows `limit` calls a key in each window of 10 or 60 seconds."""

    def __init__(self, clock: Clock, *, limit: int, period_seconds: Literal[10, 60]) -> None:
        if period_seconds not in (10, 60):
            raise ValueError(f"the binding knows periods of 10 and 60 s, not {period_seconds}")
        self.limit = limit
        self._clock = clock
        self._period_ns = period_seconds * 1_000_000_000
        self._window = -1
        self._counts: dict[str, int] = {}

    async def allow(self, key: str) -> bool:
        window = self._clock.now_ns() // self._period_ns
        if window != self._window:
            self._window = window
            self._counts.clear()
        count = self._counts.get(key, 0) + 1
        self._counts[key] = count
        return count <= self.limit
