"""One tenant's ledger at work: texts in, texts out, a book over its storage.

What the Durable Object and the embedded runtime have in common. Every method is synchronous, so nothing comes between
judging, storing and applying: two requests never both pass on the last cent. An entry is stored before it is applied
and applied before it is acknowledged; a refusal stores nothing. Limits come with each call: a deploy that changes
them changes them at once. The state survives whatever ends the process, as far as `store` survives it.
"""

from __future__ import annotations

import json

from lumigate import strict_json
from lumigate.ledger import snapshot
from lumigate.ledger.book import Ask, Book, Ceilings, Kind
from lumigate.ledger.period import Period
from lumigate.ledger.store import LedgerStore, SqlStore
from lumigate.ledger.window import SlidingWindow
from lumigate.ledger.wire import (
    Decision,
    Quota,
    decision_text,
    read_reserve,
    read_settle,
    read_usage,
    settled_text,
)
from lumigate.sql import Execute
from lumigate.telemetry.host import Clock

COMPACT_ENTRIES = 1000
_RESERVE, _SETTLE = "r", "s"


class LedgerService:
    """Opening reads nothing; the first call does, and raises if what lies there cannot be read."""

    def __init__(self, execute: Execute, clock: Clock, *, compact_entries: int = COMPACT_ENTRIES) -> None:
        self._execute = execute
        self._clock = clock
        self._compact_entries = compact_entries
        self._store: LedgerStore | None = None
        self._book = Book()
        self._position = 0
        self._entries = 0

    def reserve(self, text: str) -> str:
        """Allow and reserve, or refuse. The same id again is allowed again and reserves nothing more."""
        message = read_reserve(text)
        store, book = self._open()
        book.advance(self._clock.now_ns() // 1_000_000)
        expired = 0
        if not book.knows(message.identity):
            ask = message.ask
            refusal = book.judge(ask, message.ceilings)
            if refusal is not None:
                return decision_text(
                    Decision(
                        allowed=False,
                        kind=refusal.kind,
                        wait_ms=refusal.wait_ms,
                        quotas=_quotas(book, message.ceilings),
                    )
                )
            entry = (
                _RESERVE,
                message.identity,
                book.now_ms,
                ask.tokens,
                ask.nano_usd,
                ask.calls_model,
                message.lease_ms,
            )
            self._append(store, entry)
            expired = book.reserve(message.identity, ask, lease_ms=message.lease_ms, now_ms=book.now_ms)
            self._compact(store)
        quotas = _quotas(book, message.ceilings)
        return decision_text(
            Decision(allowed=True, kind=None, wait_ms=None, quotas=quotas, expired=expired),
        )

    def settle(self, text: str) -> str:
        """Put what was true in place of what was reserved, once an id."""
        identity, tokens, nano_usd = read_settle(text)
        store, book = self._open()
        book.advance(self._clock.now_ns() // 1_000_000)
        if identity not in book.settled:
            self._append(store, (_SETTLE, identity, book.now_ms, tokens, nano_usd))
        result, expired = book.settle(identity, tokens=tokens, nano_usd=nano_usd, now_ms=book.now_ms)
        self._compact(store)
        return settled_text(result, expired)

    def usage(self, text: str) -> str:
        """Where the tenant stands; changes nothing."""
        ceilings = read_usage(text)
        _, book = self._open()
        book.advance(self._clock.now_ns() // 1_000_000)
        decision = Decision(allowed=True, kind=None, wait_ms=None, quotas=_quotas(book, ceilings))
        return decision_text(decision)

    def _open(self) -> tuple[LedgerStore, Book]:
        if self._store is None:
            store = SqlStore(self._execute)
            position, text, entries = store.load()
            self._book = Book() if text is None else snapshot.load(text)
            for number, body in entries:
                _apply(self._book, body)
                position = number
            self._position, self._entries = position, len(entries)
            self._store = store
        return self._store, self._book

    def _append(self, store: LedgerStore, entry: tuple[str | int, ...]) -> None:
        """Store it, or forget all that is in memory: what lies in the storage is then read again by the next call."""
        try:
            store.append(self._position + 1, json.dumps(entry, separators=(",", ":")))
        except BaseException:
            self._store = None
            raise
        self._position += 1
        self._entries += 1

    def _compact(self, store: LedgerStore) -> None:
        """Now and then, so that the next to open reads little."""
        if self._entries < self._compact_entries:
            return
        try:
            store.replace_snapshot(self._position, snapshot.dump(self._book))
        except BaseException:
            self._store = None
            raise
        self._entries = 0


def _apply(book: Book, body: str) -> None:
    """Raises `ValueError` for an entry that cannot be read: better a ledger that stands still than one that guesses."""
    match strict_json.loads(body.encode()):
        case [str(kind), str(identity), int(now_ms), int(tokens), int(nanos), bool(calls), int(lease)] if (
            kind == _RESERVE
        ):
            ask = Ask(tokens=tokens, nano_usd=nanos, calls_model=calls)
            book.reserve(identity, ask, lease_ms=lease, now_ms=now_ms)
        case [str(kind), str(identity), int(now_ms), int(tokens), int(nanos)] if kind == _SETTLE:
            book.settle(identity, tokens=tokens, nano_usd=nanos, now_ms=now_ms)
        case _:
            raise ValueError("an entry of the ledger cannot be read")


def _quotas(book: Book, ceilings: Ceilings) -> tuple[Quota, ...]:
    """Where the tenant stands with each limit it has."""
    found: list[Quota] = []

    def window(kind: Kind, held: SlidingWindow, limit: int | None) -> None:
        if limit is not None:
            reset_ms = held.reset_ms(book.now_ms)
            found.append(Quota(kind=kind, limit=limit, used=held.used, reserved=0, reset_ms=reset_ms))

    def money(kind: Kind, period: Period, limit: int | None) -> None:
        if limit is not None:
            reset_ms = period.span.ends_ms(book.now_ms)
            found.append(
                Quota(kind=kind, limit=limit, used=period.spent, reserved=period.reserved, reset_ms=reset_ms)
            )

    window(Kind.REQUESTS, book.requests, ceilings.requests)
    window(Kind.TOKENS, book.tokens, ceilings.tokens)
    money(Kind.DAY, book.day, ceilings.day_nano_usd)
    money(Kind.MONTH, book.month, ceilings.month_nano_usd)
    return tuple(found)
