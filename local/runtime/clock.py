"""The clock of one process: wall time that never goes back."""

from __future__ import annotations

import asyncio
import time

_SLEPT_NS = 1_000_000_000
_COMPARED_EVERY_NS = 1_000_000


class AnchoredClock:
    """The wall clock read once, and from then on moved by the monotonic one.

    Durations are exact and no stamp is earlier than one before it, whatever NTP does meanwhile. After the
    machine slept, while the monotonic clock stood still, it is brought forward again.
    """

    __slots__ = ("_compare_ns", "_offset_ns")

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.perf_counter_ns()
        self._compare_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        now = self._offset_ns + time.perf_counter_ns()
        if now < self._compare_ns:  # a request reads the clock dozens of times
            return now
        self._compare_ns = now + _COMPARED_EVERY_NS
        if (behind := time.time_ns() - now) > _SLEPT_NS:
            self._offset_ns += behind
            return now + behind
        return now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
