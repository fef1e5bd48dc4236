"""Born at zero: what each reader has been shown, so that no increment is missed by `increase()`.

A counter that appears at 5 has, to Prometheus, not increased: its first sample is where counting begins. So every
series is shown at 0 first, to each of two readers on its own account:

- PUSH, the exporter: it sees 0 until an export that held the series at 0 was acknowledged; one that failed does not
  count.
- SCRAPE: nobody acknowledges a scrape, and there may be several scrapers, so 0 stays for `scrape_hold_ns` after the
  first scrape that showed it.

Series are numbered at birth, so what a reader has seen is one number: `revealed`, up to which it sees values. It is
stored before a value is shown to anybody, and never falls: whatever is evicted or lost, nobody sees a value and
then zero again. A lost mark only repeats a zero.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Reader(StrEnum):
    """Who looks at the totals."""

    PUSH = "push"
    SCRAPE = "scrape"


class Seen:
    """What one reader has been shown."""

    __slots__ = ("_hold_ns", "_shown", "revealed")

    def __init__(self, hold_ns: int) -> None:
        self._hold_ns = hold_ns
        self.revealed = 0
        """Series born up to this number are shown with their value."""
        self._shown: list[list[int]] = []
        """[births, at_ns]: series born up to this number were shown at zero from this instant on."""

    def revealed_at(self, now_ns: int) -> int:
        """Up to which birth values may be shown at `now_ns`."""
        return max([self.revealed, *(n for n, at_ns in self._shown if at_ns + self._hold_ns <= now_ns)])

    def mark(self, births: int, now_ns: int) -> list[int] | None:
        """What must be stored for a collection at `now_ns` to be shown; None if nothing."""
        revealed = self.revealed_at(now_ns)
        newest = self._shown[-1][0] if self._shown else self.revealed
        if revealed == self.revealed and births <= newest:
            return None
        return [revealed, births]

    def apply(self, mark: list[int], at_ns: int) -> None:
        """The mark is stored: what it says has been, or is about to be, shown."""
        revealed, births = mark
        self.revealed = max(self.revealed, revealed)
        self._shown = [shown for shown in self._shown if shown[0] > self.revealed]
        newest = self._shown[-1][0] if self._shown else self.revealed
        if births > newest:
            self._shown.append([births, at_ns])

    def dump(self) -> list[Any]:
        """For the snapshot."""
        return [self.revealed, self._shown]

    def restore(self, dumped: list[Any]) -> None:
        self.revealed, self._shown = dumped
