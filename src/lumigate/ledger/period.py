"""Money of a day or a month, UTC: what has been spent and what requests in progress have reserved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Span(StrEnum):
    """How long a period is."""

    DAY = "day"
    MONTH = "month"

    def number(self, now_ms: int) -> int:
        """Which day or month it is: a number that grows by one with each."""
        if self is Span.DAY:
            return now_ms // 86_400_000
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        return now.year * 12 + now.month - 1

    def ends_ms(self, now_ms: int) -> int:
        """How long the period of `now_ms` goes on."""
        if self is Span.DAY:
            return 86_400_000 - now_ms % 86_400_000
        now = datetime.fromtimestamp(now_ms // 1000, UTC)
        # the 1st, and 32 days on: always in the next month
        next_month = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0)
        return int(next_month.timestamp()) * 1000 - now_ms


@dataclass(slots=True, kw_only=True)
class Period:
    """The current one. What a request spends belongs to the period in which it began, whenever it ends."""

    span: Span
    number: int
    spent: int = 0
    reserved: int = 0

    def advance(self, now_ms: int) -> None:
        """Begin anew if the period is over; reservations of the old one stay with it."""
        number = self.span.number(now_ms)
        if number != self.number:
            self.number, self.spent, self.reserved = number, 0, 0

    def wait_ms(self, need: int, limit: int, now_ms: int) -> int | None:
        """How long until `need` may fit: 0 is now, None is never.

        Where only reservations are in the way, that is soon: most requests turn out cheaper than reserved.
        """
        if need > limit:
            return None
        if self.spent + self.reserved + need <= limit:
            return 0
        ends_ms = self.span.ends_ms(now_ms)
        return min(ends_ms, SOON_MS) if self.spent + need <= limit else ends_ms


SOON_MS = 1000
