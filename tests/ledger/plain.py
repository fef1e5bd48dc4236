"""A ledger as one would write it on a napkin: every event is kept, every question is answered by adding up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from lumigate.ledger.book import REMEMBERED_MS, Ask, Ceilings, Kind

MINUTE_MS = 60_000


@dataclass(slots=True, kw_only=True)
class Event:
    """One request. `settled_ms` and `expires_ms` say when it stopped being reserved."""

    identity: str
    made_ms: int
    ask: Ask
    expires_ms: int
    settled_ms: int | None = None
    tokens: int = 0
    nano_usd: int = 0
    counts_request: bool = True


def day_of(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def month_of(ms: int) -> str:
    return day_of(ms)[:7]


@dataclass(slots=True)
class PlainLedger:
    """The truth, slowly."""

    events: list[Event] = field(default_factory=list)

    def _reserved(self, event: Event, now_ms: int) -> bool:
        return event.settled_ms is None and now_ms < event.expires_ms

    def spent(self, period: Kind, now_ms: int) -> int:
        """What was settled of requests that began in the current period."""
        same = day_of if period is Kind.DAY else month_of
        return sum(e.nano_usd for e in self.events if same(e.made_ms) == same(now_ms))

    def reserved(self, period: Kind, now_ms: int) -> int:
        same = day_of if period is Kind.DAY else month_of
        return sum(
            e.ask.nano_usd
            for e in self.events
            if self._reserved(e, now_ms) and same(e.made_ms) == same(now_ms)
        )

    def requests(self, now_ms: int) -> int:
        return sum(e.counts_request for e in self.events if in_window(e.made_ms, now_ms))

    def tokens(self, now_ms: int) -> int:
        return sum(
            e.ask.tokens if e.settled_ms is None else e.tokens
            for e in self.events
            if in_window(e.made_ms, now_ms)
        )

    def known(self, identity: str, now_ms: int) -> bool:
        return any(
            self._reserved(e, now_ms) or (e.settled_ms is not None and now_ms < e.settled_ms + REMEMBERED_MS)
            for e in self.events
            if e.identity == identity
        )

    def allows(self, ask: Ask, ceilings: Ceilings, now_ms: int) -> bool:
        fits = ceilings.requests is None or self.requests(now_ms) + 1 <= ceilings.requests
        if not ask.calls_model:
            return fits
        need = max(1, ask.nano_usd)
        fits &= ceilings.tokens is None or self.tokens(now_ms) + ask.tokens <= ceilings.tokens
        for period, limit in ((Kind.DAY, ceilings.day_nano_usd), (Kind.MONTH, ceilings.month_nano_usd)):
            if limit is not None:
                fits &= self.spent(period, now_ms) + self.reserved(period, now_ms) + need <= limit
        return fits

    def reserve(self, identity: str, ask: Ask, lease_ms: int, now_ms: int) -> None:
        hit = not ask.calls_model
        self.events.append(
            Event(
                identity=identity,
                made_ms=now_ms,
                ask=Ask() if hit else ask,
                expires_ms=now_ms + lease_ms,
                settled_ms=now_ms if hit else None,
            )
        )

    def settle(self, identity: str, tokens: int, nano_usd: int, now_ms: int) -> str:
        held = next((e for e in self.events if e.identity == identity and self._reserved(e, now_ms)), None)
        if held is not None:
            held.settled_ms, held.tokens, held.nano_usd = now_ms, tokens, nano_usd
            return "settled"
        if self.known(identity, now_ms):
            return "duplicate"
        self.events.append(
            Event(
                identity=identity,
                made_ms=now_ms,
                ask=Ask(),
                expires_ms=0,
                settled_ms=now_ms,
                tokens=tokens,
                nano_usd=nano_usd,
                counts_request=False,
            )
        )
        return "late"


def in_window(made_ms: int, now_ms: int) -> bool:
    """The second of the event is not yet a minute old as a whole."""
    return now_ms // 1000 - made_ms // 1000 <= 60
