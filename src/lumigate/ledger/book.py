"""A tenant's book: what was asked for in the last minute, what is reserved, what is spent.

The state is a fold over entries. `judge` decides and changes nothing but time; `reserve` and `settle` apply an entry
that has been stored, and would do the same again from the same entries. Time is the caller's and never goes back here.

- A reservation holds its estimate of tokens in the minute's window and its estimate of money in the day and the month.
- Settling replaces the estimates by what was true, once: a second settlement of an id changes nothing.
- A reservation that nobody settles: its tokens leave with their minute; its money is released when its lease ends.
  What is settled after that, or was never reserved, is charged all the same.
- Bounded: `MAX_RESERVATIONS` in progress, `MAX_SETTLED` ids remembered for `REMEMBERED_MS`, 61 seconds, two periods.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lumigate.ledger.period import SOON_MS, Period, Span
from lumigate.ledger.window import SlidingWindow

MAX_RESERVATIONS = 10_000
MAX_SETTLED = 10_000
REMEMBERED_MS = 120_000
"""Longer than the gateway tries to hand over a settlement."""


class Kind(StrEnum):
    """What may be limited."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    DAY = "day"
    MONTH = "month"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request needs. One that calls no model (a cache hit) needs no money, even of a budget that is spent."""

    tokens: int = 0
    nano_usd: int = 0
    calls_model: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """A tenant's limits as its ledger applies them; None is no limit."""

    requests: int | None = None
    tokens: int | None = None
    day_nano_usd: int | None = None
    month_nano_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Which limit stands in the way the longest. `wait_ms` None: the request alone is more than the limit."""

    kind: Kind
    wait_ms: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation, by its id; the second, the day and the month are those in which it was made."""

    second: int
    tokens: int
    nano_usd: int
    expires_ms: int
    day: int
    month: int


class Settled(StrEnum):
    """What became of a settlement."""

    SETTLED = "settled"
    LATE = "late"
    """Charged, though nothing was reserved any more."""
    DUPLICATE = "duplicate"


@dataclass(slots=True, kw_only=True)
class Book:
    """Open an empty one with `Book()`; `snapshot` restores others."""

    now_ms: int = 0
    requests: SlidingWindow = field(default_factory=SlidingWindow)
    tokens: SlidingWindow = field(default_factory=SlidingWindow)
    day: Period = field(default_factory=lambda: Period(span=Span.DAY, number=0))
    month: Period = field(default_factory=lambda: Period(span=Span.MONTH, number=0))
    reservations: dict[str, Held] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    """Ids, and until when they are remembered; in that order."""
    expired: int = 0
    """Reservations released for want of a settlement since the last entry that was applied."""

    def advance(self, now_ms: int) -> None:
        """Let time pass. Twice is as once, and in two steps as in one."""
        self.now_ms = now_ms = max(now_ms, self.now_ms)
        self.requests.advance(now_ms)
        self.tokens.advance(now_ms)
        self.day.advance(now_ms)
        self.month.advance(now_ms)
        while self.reservations:
            identity = next(iter(self.reservations))
            if self.reservations[identity].expires_ms > now_ms:
                break
            self._release(self.reservations.pop(identity))
            self.expired += 1
        while self.settled:
            identity = next(iter(self.settled))
            if self.settled[identity] > now_ms:
                break
            del self.settled[identity]

    def knows(self, identity: str) -> bool:
        """Whether this id has been reserved or settled: asking again changes nothing and is allowed again."""
        return identity in self.reservations or identity in self.settled

    def judge(self, ask: Ask, ceilings: Ceilings) -> Refusal | None:
        """Whether that may be reserved now: None if so."""
        waits = self._waits(ask, ceilings)
        refusal: Refusal | None = None
        for kind, wait_ms in waits:
            if wait_ms is None:
                return Refusal(kind=kind, wait_ms=None)
            if wait_ms and (refusal is None or wait_ms > (refusal.wait_ms or 0)):
                refusal = Refusal(kind=kind, wait_ms=wait_ms)
        return refusal

    def _waits(self, ask: Ask, ceilings: Ceilings) -> list[tuple[Kind, int | None]]:
        now_ms, waits = self.now_ms, []
        if ask.calls_model:
            # Where no price is known there still is none to call once the money is spent.
            need = max(ask.nano_usd, 1)
            if ceilings.month_nano_usd is not None:
                waits.append((Kind.MONTH, self.month.wait_ms(need, ceilings.month_nano_usd, now_ms)))
            if ceilings.day_nano_usd is not None:
                waits.append((Kind.DAY, self.day.wait_ms(need, ceilings.day_nano_usd, now_ms)))
            if ceilings.tokens is not None:
                waits.append((Kind.TOKENS, self.tokens.wait_ms(ask.tokens, ceilings.tokens, now_ms)))
            if len(self.reservations) >= MAX_RESERVATIONS:
                waits.append((Kind.IN_PROGRESS, SOON_MS))
        if ceilings.requests is not None:
            waits.append((Kind.REQUESTS, self.requests.wait_ms(1, ceilings.requests, now_ms)))
        return waits

    def reserve(self, identity: str, ask: Ask, *, lease_ms: int, now_ms: int) -> int:
        """Apply a reservation that was allowed and stored. Gives how many have expired since the last entry."""
        self.advance(now_ms)
        second = self.now_ms // 1000
        self.requests.add(second, 1)
        if ask.calls_model:
            self.tokens.add(second, ask.tokens)
            self.day.reserved += ask.nano_usd
            self.month.reserved += ask.nano_usd
            # Never before one that is already there, even if the lease was made shorter: the order is that of expiry.
            newest = next(reversed(self.reservations.values()), None)
            earliest = 0 if newest is None else newest.expires_ms
            self.reservations[identity] = Held(
                second,
                ask.tokens,
                ask.nano_usd,
                max(earliest, self.now_ms + lease_ms),
                self.day.number,
                self.month.number,
            )
        else:
            self._remember(identity)
        return self._take_expired()

    def settle(self, identity: str, *, tokens: int, nano_usd: int, now_ms: int) -> tuple[Settled, int]:
        """Apply a settlement. Gives what became of it, and how many reservations have expired since the last entry."""
        self.advance(now_ms)
        if identity in self.settled:
            return Settled.DUPLICATE, 0
        reservation = self.reservations.pop(identity, None)
        self._remember(identity)
        if reservation is None:
            self.tokens.add(self.now_ms // 1000, tokens)
            self.day.spent += nano_usd
            self.month.spent += nano_usd
            return Settled.LATE, self._take_expired()
        self.tokens.correct(reservation.second, tokens - reservation.tokens)
        self._release(reservation)
        if reservation.day == self.day.number:
            self.day.spent += nano_usd
        if reservation.month == self.month.number:
            self.month.spent += nano_usd
        return Settled.SETTLED, self._take_expired()

    def _release(self, reservation: Held) -> None:
        if reservation.day == self.day.number:
            self.day.reserved -= reservation.nano_usd
        if reservation.month == self.month.number:
            self.month.reserved -= reservation.nano_usd

    def _remember(self, identity: str) -> None:
        self.settled[identity] = self.now_ms + REMEMBERED_MS
        if len(self.settled) > MAX_SETTLED:
            del self.settled[next(iter(self.settled))]

    def _take_expired(self) -> int:
        expired, self.expired = self.expired, 0
        return expired
