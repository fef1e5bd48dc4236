"""A bounded memory for answers that hold for a while: the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict


class ExpiringCache[V]:
    """At most `capacity` values, each until its own time is up. Not thread-safe; an isolate has one thread."""

    __slots__ = ("_capacity", "_entries")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now_s: float) -> tuple[V] | None:
        """The value, in a tuple because it may be None itself; None if there is none in force."""
        found = self._entries.get(key)
        if found is None:
            return None
        until_s, value = found
        if now_s >= until_s:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return (value,)

    def put(self, key: str, value: V, until_s: float) -> None:
        self._entries[key] = (until_s, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def forget(self, key: str) -> None:
        self._entries.pop(key, None)
