"""A clock that stands where it is put."""

from __future__ import annotations


class FixedClock:
    """`seconds` may be set; `sleep` moves it."""

    def __init__(self, seconds: float = 1_700_000_000.0) -> None:
        self.seconds = seconds

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
