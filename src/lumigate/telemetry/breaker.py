"""A circuit breaker for one destination and signal: after repeated failures, stop asking for a while."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

_SECOND: Final = 1_000_000_000
THRESHOLD: Final = 5
"""Failures in a row that open it."""
FIRST_PAUSE_NS: Final = 30 * _SECOND
LONGEST_PAUSE_NS: Final = 300 * _SECOND


class BreakerState(IntEnum):
    """Also the value of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Closed, until `THRESHOLD` failures in a row; then open for a pause that doubles; then one attempt decides."""

    __slots__ = ("_failures", "_pause_ns", "_reopens_ns")

    def __init__(self) -> None:
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._reopens_ns = 0

    def state(self, now_ns: int) -> BreakerState:
        if self._failures < THRESHOLD:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now_ns < self._reopens_ns else BreakerState.HALF_OPEN

    def succeeded(self) -> None:
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS

    def failed(self, now_ns: int) -> None:
        self._failures += 1
        if self._failures >= THRESHOLD:
            self._reopens_ns = now_ns + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
