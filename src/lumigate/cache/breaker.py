"""A breaker for one tier of one isolate: three failures in a row, and it is left out for a while. Plain data, pure."""

from __future__ import annotations

from typing import Final

THRESHOLD: Final = 3
FIRST_PAUSE_NS: Final = 5_000_000_000
LONGEST_PAUSE_NS: Final = 120_000_000_000
PROBE_NS: Final = 10_000_000_000
"""A probe that has not come back by then no longer keeps others from trying: its request may have died."""

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


class TierBreaker:
    """Closed; open after `THRESHOLD` failures in a row for a pause that doubles; then one probe decides."""

    __slots__ = ("_failures", "_pause_ns", "_probing_since_ns", "_reopens_ns")

    def __init__(self) -> None:
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._reopens_ns = 0
        self._probing_since_ns: int | None = None

    def state(self, now_ns: int) -> str:
        if self._failures < THRESHOLD:
            return CLOSED
        return OPEN if now_ns < self._reopens_ns else HALF_OPEN

    def admits(self, now_ns: int) -> bool:
        """Whether the tier may be asked; the one who is let through while it is half open is the probe."""
        state = self.state(now_ns)
        if state != HALF_OPEN:
            return state == CLOSED
        if self._probing_since_ns is not None and now_ns - self._probing_since_ns < PROBE_NS:
            return False
        self._probing_since_ns = now_ns
        return True

    def succeeded(self) -> bool:
        """Whether that closed it."""
        changed = self._failures >= THRESHOLD
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._probing_since_ns = None
        return changed

    def failed(self, now_ns: int) -> bool:
        """Whether that opened it (again)."""
        if self.state(now_ns) == OPEN:  # asked before it opened: says nothing new
            return False
        self._failures += 1
        self._probing_since_ns = None
        if self._failures < THRESHOLD:
            return False
        self._reopens_ns = now_ns + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
        return True
