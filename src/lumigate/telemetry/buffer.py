"""A queue for one destination and signal: bounded, and plain data that any request may work on.

What is being sent stays here as a batch «in flight» with an expiry. If the request that carries it dies, the next one
finds the batch expired and takes it back: nothing is lost, and only what died in the middle may arrive twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final

from lumigate.telemetry.config import BufferConfig
from lumigate.telemetry.counts import Counts

QUEUE_FULL: Final = "queue_full"


class Entry:
    """Records that arrived together (the spans of a trace). `items` is what the limits count.

    Where newer entries replace older ones, `key` says which; entries made of one by halving share its `origin`, and do
    not replace each other.
    """

    __slots__ = ("bytes", "delivered", "important", "items", "key", "origin", "records")

    def __init__(
        self,
        records: list[Any],
        items: int,
        size: int,
        *,
        important: bool = False,
        key: Hashable = None,
    ) -> None:
        self.records = records
        self.items = items
        self.bytes = size
        self.important = important
        self.key = key
        self.origin = object()
        self.delivered = False


type Halve = Callable[[Entry], tuple[Entry, Entry] | None]
"""Makes two entries of one with a single record, where that can be divided."""


class Batch:
    """Entries in flight. `expires_ns`: when its owner is taken for dead."""

    __slots__ = ("bytes", "entries", "expires_ns", "items")

    def __init__(self, entries: list[Entry], expires_ns: int) -> None:
        self.entries = entries
        self.items = sum(entry.items for entry in entries)
        self.bytes = sum(entry.bytes for entry in entries)
        self.expires_ns = expires_ns

    def records(self) -> list[Any]:
        return [record for entry in self.entries for record in entry.records]


class Queue:
    """Entries waiting and batches in flight, together within the limits."""

    def __init__(
        self,
        signal: str,
        config: BufferConfig,
        counts: Counts,
        *,
        newest_only: bool = False,
        halve: Halve | None = None,
    ) -> None:
        self.signal = signal
        self.items = 0
        self.bytes = 0
        self.arrived = 0
        """Items that were ever put in."""
        self.batch_items = config.batch_items
        """How many go into one export; lowered while the destination finds them too large."""
        self.in_flight: list[Batch] = []
        self._config = config
        self._counts = counts
        self._newest_only = newest_only
        """Cumulative metrics: a newer point of a metric holds all that the older ones said. None is important."""
        self._halve = halve
        self._ordinary: deque[Entry] = deque()
        self._important: deque[Entry] = deque()

    @property
    def waiting_items(self) -> int:
        return self.items - sum(batch.items for batch in self.in_flight)

    def is_full(self) -> bool:
        """Whether enough waits for a whole export, in items or in half the bytes."""
        waiting = self.bytes - sum(batch.bytes for batch in self.in_flight)
        return self.waiting_items >= self._config.batch_items or waiting * 2 >= self._config.max_bytes

    def put(self, entries: list[Entry]) -> None:
        """Take new entries in, at the price of the least valuable: ordinary before important, old before new."""
        if self._newest_only:
            for entry in _outdated(self._ordinary, entries):
                self._forget(entry)
                self._ordinary.remove(entry)
        for entry in entries:
            self.arrived += entry.items
            if self._make_room(entry):
                (self._important if entry.important else self._ordinary).append(entry)
                self.items += entry.items
                self.bytes += entry.bytes
            else:
                self._counts.drop(self.signal, QUEUE_FULL, entry.items)

    def take(self, now_ns: int, lifetime_ns: int, *, exclusive: bool) -> Batch | None:
        """The next batch to send, the important first; None if nothing waits, or (exclusive) one is being sent."""
        self.reclaim(now_ns)
        if exclusive and self.in_flight:
            return None
        entries: list[Entry] = []
        room = self.batch_items
        for line in (self._important, self._ordinary):
            while line and room > 0:
                entry = line.popleft()
                if entry.delivered:
                    self._forget(entry)
                    continue
                if entry.items > room and len(entry.records) > 1:
                    entry, rest = _split(entry, room)
                    line.appendleft(rest)
                entries.append(entry)
                room -= entry.items
        if not entries:
            return None
        batch = Batch(entries, now_ns + lifetime_ns)
        self.in_flight.append(batch)
        return batch

    def delivered(self, batch: Batch) -> None:
        """The destination has it. Also right for a batch that was reclaimed meanwhile: it is not sent again."""
        if not self._land(batch):
            for entry in batch.entries:
                entry.delivered = True
            return
        for entry in batch.entries:
            self._forget(entry)
        self.batch_items = min(self._config.batch_items, self.batch_items * 2)

    def give_back(self, batch: Batch) -> None:
        """It was not delivered, or nobody knows: back to the front, to be sent again."""
        if not self._land(batch):
            return
        outdated = _outdated(batch.entries, self._ordinary) if self._newest_only else ()
        for entry in reversed(batch.entries):
            if entry in outdated:
                self._forget(entry)
                continue
            (self._important if entry.important else self._ordinary).appendleft(entry)

    def drop(self, batch: Batch, reason: str) -> None:
        """It will never be delivered."""
        if self._land(batch):
            for entry in batch.entries:
                self._forget(entry)
            self._counts.drop(self.signal, reason, batch.items)

    def too_large(self, batch: Batch, reason: str) -> None:
        """Send less at a time; what cannot be made smaller is dropped."""
        alone = len(batch.entries) == 1 and len(batch.entries[0].records) == 1
        halves = self._halve(batch.entries[0]) if alone and self._halve is not None else None
        if alone and halves is None:
            self.drop(batch, reason)
            return
        self.batch_items = max(1, min(self.batch_items, batch.items) // 2)
        if halves is None:
            self.give_back(batch)
        elif self._land(batch):
            self._ordinary.extendleft(reversed(halves))

    def reclaim(self, now_ns: int) -> None:
        """Take back the batches whose owners have died."""
        for batch in [batch for batch in self.in_flight if batch.expires_ns <= now_ns]:
            self._counts.reclaimed += 1
            self.give_back(batch)

    def _make_room(self, entry: Entry) -> bool:
        config = self._config
        if entry.items > config.max_items or entry.bytes > config.max_bytes:
            return False  # it would not fit into an empty queue: nobody goes for it
        while self.items + entry.items > config.max_items or self.bytes + entry.bytes > config.max_bytes:
            if self._ordinary:
                victim = self._ordinary.popleft()
            elif self._important and entry.important:
                victim = self._important.popleft()
            else:
                return False
            self._forget(victim)
            if not victim.delivered:
                self._counts.drop(self.signal, QUEUE_FULL, victim.items)
        return True

    def _land(self, batch: Batch) -> bool:
        if batch not in self.in_flight:
            return False
        self.in_flight.remove(batch)
        return True

    def _forget(self, entry: Entry) -> None:
        self.items -= entry.items
        self.bytes -= entry.bytes


def _outdated(entries: Iterable[Entry], newer: Iterable[Entry]) -> list[Entry]:
    """Those of which there is a newer one."""
    origins = {entry.key: entry.origin for entry in newer}
    return [entry for entry in entries if origins.get(entry.key, entry.origin) is not entry.origin]


def _split(entry: Entry, room: int) -> tuple[Entry, Entry]:
    """The first records of an entry, about `room` items of them, and the rest."""
    records = entry.records
    count = max(1, room * len(records) // entry.items)
    items = entry.items * count // len(records) if entry.items != len(records) else count
    size = entry.bytes * count // len(records)
    head = Entry(records[:count], items, size, important=entry.important)
    rest = Entry(records[count:], entry.items - items, entry.bytes - size, important=entry.important)
    return head, rest
