"""Purges as marks: «whatever was asked for before this moment is gone», by tenant, model, tag or key.

A mark is one small entry in KV (in R2 where there is no KV), so a purge costs the same however much it takes out, and
no two purges can undo each other. Each isolate reads the marks of a tenant when it first needs them and again when
they are older than `seen_seconds`; that, and KV's own minute, is how soon a purge is seen everywhere. Marks vanish by
themselves once everything they could mean has expired.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from lumigate.cache.entry import Entry
from lumigate.cache.key import short_hash
from lumigate.ports import BlobStore, KeyValue
from lumigate.scope import Scope

EVERYONE = "_"
"""Where the marks lie that hold for every tenant."""
ALL, MODEL, TAG, KEY = "all", "model", "tag", "key"
_MAX_NAMESPACES = 512
_MAX_PAGES = 10
_PAGE = 1000
_RETRY_NS = 5_000_000_000


@dataclass(slots=True)
class _Known:
    """What is known of one namespace's marks: mark → the latest purge, in ns."""

    read_ns: int = 0
    retry_ns: int = 0
    reading_until_ns: int = 0
    """Someone is reading them; until then, since that someone may have died."""
    marks: dict[str, int] = field(default_factory=dict)


class Stores(Protocol):
    """Of the ports, those that keep something."""

    @property
    def key_value(self) -> KeyValue | None: ...
    @property
    def blobs(self) -> BlobStore | None: ...


def mark_store(ports: Stores) -> KeyValue | BlobStore | None:
    return ports.key_value if ports.key_value is not None else ports.blobs


async def write_mark(ports: Stores, namespace: str, mark: str, epoch_ns: int, ttl_seconds: int) -> None:
    """Tell every isolate of a purge. Raises whatever the store raises: a purge must not fail unsaid."""
    place = namespace if namespace == EVERYONE else short_hash(namespace)
    name = f"purge/{place}/{mark}/{epoch_ns // 1_000_000:013d}"
    if ports.key_value is not None:
        await ports.key_value.put(name, b"1", ttl_seconds=ttl_seconds)
    elif ports.blobs is not None:
        await ports.blobs.put(name, b"1")


def mark_of(kind: str, name: str) -> str:
    """How a purge is named; what it is about is hashed, since keys of stores are not sealed."""
    return ALL if kind == ALL else f"{kind}-{name if kind == KEY else short_hash(name)}"


class PurgeMarks:
    """One an isolate. Namespaces are given as `short_hash`es."""

    def __init__(self, *, seen_seconds: float, budget_ms: float) -> None:
        self._seen_ns = int(seen_seconds * 1e9)
        self._budget_seconds = budget_ms / 1e3
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def is_purged(self, namespace: str, key: str, entry: Entry) -> bool:
        """Whether any purge that is known took this entry out."""
        return self.is_purged_at(short_hash(namespace), key, entry)

    def is_purged_at(self, namespace_hash: str, key: str, entry: Entry) -> bool:
        for place in (namespace_hash, EVERYONE):
            known = self._known.get(place)
            if known is None or not known.marks:
                continue
            for mark in _marks_on(key, entry):
                if entry.asked_ns <= known.marks.get(mark, -1):
                    return True
        return False

    def must_be_read(self, scope: Scope, namespace: str) -> bool:
        """Whether `settle` would have to wait for a store."""
        if mark_store(scope.ports) is None:
            return False
        now_ns = scope.clock.now_ns()
        return any(self._is_late(self._entry(name), now_ns) for name in (short_hash(namespace), EVERYONE))

    async def settle(self, scope: Scope, namespace: str) -> bool:
        """Know the marks well enough to serve by them; False if nothing can be known.

        Those that are a little old are read anew beside the request, older ones before it goes on.
        """
        if mark_store(scope.ports) is None:
            return True
        now_ns = scope.clock.now_ns()
        places = [self._entry(short_hash(namespace)), self._entry(EVERYONE)]
        names = (short_hash(namespace), EVERYONE)
        late = [name for name, known in zip(names, places, strict=True) if self._is_late(known, now_ns)]
        if late:
            await asyncio.gather(*(self._read(scope, name) for name in late))
        else:
            for name, known in zip(names, places, strict=True):
                if now_ns - known.read_ns >= self._seen_ns and now_ns >= max(
                    known.reading_until_ns, known.retry_ns
                ):
                    known.reading_until_ns = now_ns + _RETRY_NS
                    scope.background(self._read, scope, name)
        return all(known.read_ns for known in places)

    def add(self, namespace: str, mark: str, epoch_ns: int) -> None:
        """A purge of our own, known at once here. `namespace` is `EVERYONE` or a namespace's name."""
        place = namespace if namespace == EVERYONE else short_hash(namespace)
        marks = self._entry(place).marks
        marks[mark] = max(epoch_ns, marks.get(mark, -1))

    def count(self) -> int:
        return sum(len(known.marks) for known in self._known.values())

    # --- reading ----------------------------------------------------------------------------------------------------

    def _entry(self, place: str) -> _Known:
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = _Known()
            while len(self._known) > _MAX_NAMESPACES:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(place)
        return known

    def _is_late(self, known: _Known, now_ns: int) -> bool:
        if now_ns < known.retry_ns:  # it has just failed
            return False
        if not known.read_ns:
            return True
        return now_ns - known.read_ns >= 2 * self._seen_ns and now_ns >= known.reading_until_ns

    async def _read(self, scope: Scope, place: str) -> None:
        """Read a namespace's marks. Raises nothing: what was known before still holds."""
        known = self._entry(place)
        known.reading_until_ns = scope.clock.now_ns() + _RETRY_NS
        store = mark_store(scope.ports)
        assert store is not None
        try:
            async with scope.ports.timeout(self._budget_seconds):
                found = await _list(store, f"purge/{place}/")
        except Exception:
            known.retry_ns = scope.clock.now_ns() + _RETRY_NS
            return
        finally:
            known.reading_until_ns = 0
        for mark, epoch_ns in found.items():
            known.marks[mark] = max(epoch_ns, known.marks.get(mark, -1))
        known.read_ns = scope.clock.now_ns()


async def _list(store: KeyValue | BlobStore, prefix: str) -> dict[str, int]:
    """The latest moment of each mark. Past a bound the newest there is stands for a purge of everything."""
    found: dict[str, int] = {}
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        names, cursor = await store.names(prefix, limit=_PAGE, cursor=cursor)
        for name in names:
            mark, _, epoch = name.removeprefix(prefix).partition("/")
            if epoch.isascii() and epoch.isdigit() and len(epoch) < 16:
                # The whole millisecond counts: on Workers many requests share one.
                found[mark] = max(int(epoch) * 1_000_000 + 999_999, found.get(mark, -1))
        if cursor is None:
            return found
    return {**found, ALL: max(found.values(), default=-1)}


def _marks_on(key: str, entry: Entry) -> Iterator[str]:
    yield ALL
    yield f"{KEY}-{key}"
    yield mark_of(MODEL, entry.alias)
    yield mark_of(MODEL, entry.model)
    for tag in entry.tags:
        yield mark_of(TAG, tag)
