"""A book as one text, and back. A text of newer code is not misread: it raises, and the ledger does not start."""

from __future__ import annotations

import json

from lumigate import strict_json
from lumigate.ledger.book import Book, Held
from lumigate.ledger.period import Period, Span
from lumigate.ledger.window import SlidingWindow

VERSION = 1


def dump(book: Book) -> str:
    """At most 1.3 MB: a row of a Durable Object's SQLite takes 2 MB."""
    return json.dumps(
        {
            "version": VERSION,
            "now_ms": book.now_ms,
            "requests": book.requests.slots(),
            "tokens": book.tokens.slots(),
            "day": [book.day.number, book.day.spent, book.day.reserved],
            "month": [book.month.number, book.month.spent, book.month.reserved],
            "reservations": [
                (identity, r.second, r.tokens, r.nano_usd, r.expires_ms, r.day, r.month)
                for identity, r in book.reservations.items()
            ],
            "settled": list(book.settled.items()),
        },
        separators=(",", ":"),
    )


def load(text: str) -> Book:
    """Raises `ValueError` for what is no snapshot of this version."""
    stored = strict_json.load_object(text.encode()) or {}
    if stored.get("version") != VERSION:
        raise ValueError(
            f"a ledger's snapshot of version {stored.get('version')!r}; this code reads {VERSION}"
        )
    day, month = stored["day"], stored["month"]
    return Book(
        now_ms=stored["now_ms"],
        requests=SlidingWindow((second, amount) for second, amount in stored["requests"]),
        tokens=SlidingWindow((second, amount) for second, amount in stored["tokens"]),
        day=Period(span=Span.DAY, number=day[0], spent=day[1], reserved=day[2]),
        month=Period(span=Span.MONTH, number=month[0], spent=month[1], reserved=month[2]),
        reservations={identity: Held(*rest) for identity, *rest in stored["reservations"]},
        settled=dict(stored["settled"]),
    )
