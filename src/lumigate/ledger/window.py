"""A sliding window: how much there was in the last minute, by the second.

The amount of each second is kept, and counts until all of that second is a minute old. So in no 60 seconds, whenever
they begin, is there more than the limit; what was used comes back 60 to 61 s later. A fixed window would let twice the
limit through across its boundary, and a token bucket twice the limit in its first minute. At most 61 numbers are kept,
whatever the limit.
"""

from __future__ import annotations

from collections.abc import Iterable

SECONDS = 60
_LEAVES_AFTER = SECONDS + 1


class SlidingWindow:
    """Amounts by second; the second is that of the ledger's own clock, which never goes back."""

    __slots__ = ("_slots", "used")

    def __init__(self, slots: Iterable[tuple[int, int]] = ()) -> None:
        self._slots: dict[int, int] = dict(slots)
        self.used = sum(self._slots.values())

    def advance(self, now_ms: int) -> None:
        """Let go of what is old."""
        oldest = now_ms // 1000 - SECONDS
        while self._slots:
            second = next(iter(self._slots))
            if second >= oldest:
                return
            self.used -= self._slots.pop(second)

    def add(self, second: int, amount: int) -> None:
        """Count `amount` in the newest second, even nothing: it may be corrected."""
        self._slots[second] = self._slots.get(second, 0) + amount
        self.used += amount

    def correct(self, second: int, difference: int) -> None:
        """Change what was counted in a second; nothing if that has left the window."""
        if second in self._slots:
            self._slots[second] += difference
            self.used += difference

    def wait_ms(self, need: int, limit: int, now_ms: int) -> int | None:
        """How long until `need` fits: 0 is now, None is never."""
        if need > limit:
            return None
        over = self.used + need - limit
        if over <= 0:
            return 0
        for second, amount in self._slots.items():
            over -= amount
            if over <= 0:
                return (second + _LEAVES_AFTER) * 1000 - now_ms
        raise AssertionError("the slots add up to what is used")

    def reset_ms(self, now_ms: int) -> int:
        """How long until some of what was used comes back; 0 if nothing was."""
        for second, amount in self._slots.items():
            if amount:
                return (second + _LEAVES_AFTER) * 1000 - now_ms
        return 0

    def slots(self) -> list[tuple[int, int]]:
        """For a snapshot."""
        return list(self._slots.items())
