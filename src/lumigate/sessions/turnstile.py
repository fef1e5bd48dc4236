"""Who is next: messages of a session are answered one at a time, in the order in which they came.

The message whose turn it is holds a lease while its model is asked; the others stand in line, each by a ticket that it
shows again and again. A ticket that is not shown for `TICKET_MS` has left the line, and a lease that is not given back
in time has lost its owner: both are passed over. The lease is stored with the session; the line lives in memory only,
and is formed anew where that is lost, by whoever asks first.
"""

from __future__ import annotations

from dataclasses import dataclass

TICKET_MS = 2_000
GIVEN_UP_MS = 60_000
"""Longer than a call to an object is on its way."""
LONGEST_LINE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The turn in progress: whose it is, until when, and the idempotency key of its message."""

    holder: str
    expires_ms: int
    key: str = ""


class Line:
    """The tickets that wait."""

    __slots__ = ("_given_up_ms", "_seen_ms")

    def __init__(self) -> None:
        self._seen_ms: dict[str, int] = {}
        self._given_up_ms: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._seen_ms)

    def is_next(self, ticket: str, lease: Lease | None, now_ms: int) -> bool:
        """Stand in line, or go on standing there; true if it is this one's turn, and it then leaves the line.

        False as well where the line is full, or the ticket was given up.
        """
        for over in [t for t, given_up in self._given_up_ms.items() if now_ms - given_up > GIVEN_UP_MS]:
            del self._given_up_ms[over]
        if ticket in self._given_up_ms:
            return False
        for absent in [t for t, seen in self._seen_ms.items() if now_ms - seen > TICKET_MS]:
            del self._seen_ms[absent]
        if ticket not in self._seen_ms and len(self._seen_ms) >= LONGEST_LINE:
            return False
        self._seen_ms[ticket] = now_ms
        if is_held(lease, now_ms) or next(iter(self._seen_ms)) != ticket:
            return False
        del self._seen_ms[ticket]
        return True

    def leave(self, ticket: str) -> None:
        """Stand in line no longer."""
        self._seen_ms.pop(ticket, None)

    def give_up(self, ticket: str, now_ms: int) -> None:
        """Leave for good: two calls of one request may overtake each other, and nobody would give that turn back."""
        self.leave(ticket)
        self._given_up_ms[ticket] = now_ms


def is_held(lease: Lease | None, now_ms: int) -> bool:
    """Whether a turn is in progress."""
    return lease is not None and now_ms < lease.expires_ms
