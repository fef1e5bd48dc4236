"""Time and chance that are the same in every run."""

from __future__ import annotations

import asyncio
import hashlib

from tests.fakes.settings import NOW_SECONDS


class FakeClock:
    """Stands where it is put; `sleep` moves it."""

    def __init__(self, seconds: float = NOW_SECONDS) -> None:
        self.ns = int(seconds * 1e9)
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


class FakeEntropy:
    """The same bytes in every run, never twice in one."""

    def __init__(self) -> None:
        self._drawn = 0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_128(self._drawn.to_bytes(8, "big")).digest(count)
