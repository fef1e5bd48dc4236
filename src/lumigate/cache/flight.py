"""Who is already asking: marks of plain data that let requests for one answer wait without touching each other.

On Workers a request must not wait on another's I/O, so there is no shared future here. The first request for a key
leaves its own facts as a mark; others look at the mark and at memory by a timer of their own. A mark counts while its
owner has not finished and it is not too old: an owner may have died without a word.
"""

from __future__ import annotations

from typing import Protocol

_PRUNE_AT = 512


class Owner(Protocol):
    """Whoever works for a key: the facts of a request, or a revalidation."""

    @property
    def finished(self) -> bool: ...


class Flights:
    """One an isolate."""

    def __init__(self, lease_seconds: float) -> None:
        """`lease_seconds`: for how long a mark counts."""
        self._lease_ns = int(lease_seconds * 1e9)
        self._marks: dict[str, tuple[int, Owner]] = {}

    def __len__(self) -> int:
        """Those that do not count any more included: they are taken away when there are many."""
        return len(self._marks)

    def under_way(self, now_ns: int) -> int:
        return sum(self._counts(mark, now_ns) for mark in self._marks.values())

    def is_under_way(self, key: str, now_ns: int) -> bool:
        mark = self._marks.get(key)
        return mark is not None and self._counts(mark, now_ns)

    def take(self, key: str, owner: Owner, now_ns: int) -> bool:
        """Leave a mark, unless one that counts is there already."""
        if self.is_under_way(key, now_ns):
            return False
        if len(self._marks) >= _PRUNE_AT:
            self._marks = {name: mark for name, mark in self._marks.items() if self._counts(mark, now_ns)}
        self._marks[key] = (now_ns, owner)
        return True

    def release(self, key: str, owner: Owner) -> None:
        """Take the mark away, if it is this owner's."""
        mark = self._marks.get(key)
        if mark is not None and mark[1] is owner:
            del self._marks[key]

    def _counts(self, mark: tuple[int, Owner], now_ns: int) -> bool:
        return not mark[1].finished and now_ns - mark[0] < self._lease_ns
