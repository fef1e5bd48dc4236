"""Encoded records are grouped by scope and packed into requests, each under a limit of bytes.

The rules are the same for every signal and both formats; a `Format` says how one of them writes. Records keep
their order within a scope, and scopes the order in which they first appear.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from lumigate.telemetry.records import MetricData, Resource, Scope

UNLIMITED = sys.maxsize


class Packed(NamedTuple):
    """Requests ready to send, and what is not in them.

    `payloads` holds (request, number of items in it), an item being a span, a log record or a metric's data
    point. `too_large` items exceed the limit alone; `invalid` ones cannot be written at all (an id or a time
    out of range), and `error` is the reason of the first of those.
    """

    payloads: list[tuple[bytes, int]]
    too_large: int = 0
    invalid: int = 0
    error: Exception | None = None


class Scoped(Protocol):
    """A record of any signal: it knows the instrumentation scope it came from."""

    @property
    def scope(self) -> Scope: ...


def one_item(_: object) -> int:
    """The number of items in a span or a log record."""
    return 1


def indivisible(_: object) -> None:
    """A span or a log record cannot be sent in two parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format[T: Scoped]:
    """How one signal is written in one format.

    `record`, `scope` and `resource` encode one each, `records` many at once (cheaper than one by one). `block`
    joins a scope with its records, and `request` a resource with its blocks. `items` counts the items of a
    record, and `halve` cuts one in two, for a record too large to be sent whole.
    """

    record: Callable[[T], bytes]
    records: Callable[[list[T]], list[bytes]]
    scope: Callable[[Scope], bytes]
    block: Callable[[bytes, list[bytes]], bytes]
    resource: Callable[[Resource], bytes]
    request: Callable[[bytes, list[bytes]], bytes]
    items: Callable[[T], int] = one_item
    halve: Callable[[T], tuple[T, T] | None] = indivisible


def keeping_last[K](make: Callable[[K], bytes]) -> Callable[[K], bytes]:
    """`make`, with its last result kept for the same object: an isolate has one resource and mostly one scope.

    It outlives a request, and holds one object and its bytes.
    """
    last: tuple[K, bytes] | None = None

    def made(of: K) -> bytes:
        nonlocal last
        if last is None or last[0] is not of:
            last = of, make(of)
        return last[1]

    return made


_COMMA_BYTES = 1
_JOINING_BYTES = 8
"""The most that joining adds to a block or a request, in either format: brackets, or a tag and a length."""


def encode[T: Scoped](form: Format[T], resource: Resource, records: Sequence[T]) -> bytes:
    """One request with every record in it. Raises where one cannot be written; `encode_chunked` leaves it out."""
    scopes: dict[Scope, list[T]] = {}
    scope: Scope | None = None
    group: list[T] = []
    for record in records:
        if record.scope is not scope:
            scope = record.scope
            group = scopes.setdefault(scope, [])
        group.append(record)
    blocks = [form.block(form.scope(scope), form.records(group)) for scope, group in scopes.items()]
    return form.request(form.resource(resource), blocks)


def encode_chunked[T: Scoped](
    form: Format[T], resource: Resource, records: Sequence[T], limit_bytes: int
) -> Packed:
    """Requests of at most `limit_bytes` each, filled in order."""
    packer = _Packer(form, resource, limit_bytes)
    # A stack, because a record that is too large is put back in two halves.
    waiting = list(reversed(records))
    while waiting:
        record = waiting.pop()
        try:
            fits = packer.add(record, form.record(record))
        except Exception as error:
            packer.refuse(record, error)
            continue
        if not fits:
            halves = form.halve(record)
            if halves is None:
                packer.too_large += form.items(record)
            else:
                waiting += reversed(halves)
    return packer.finish()


class _Packer[T: Scoped]:
    """The request being filled, and those that are full."""

    def __init__(self, form: Format[T], resource: Resource, limit_bytes: int) -> None:
        self._form = form
        self._resource = form.resource(resource)
        self._room = limit_bytes - len(self._resource) - _JOINING_BYTES
        self._payloads: list[tuple[bytes, int]] = []
        self._blocks: dict[Scope, tuple[bytes, list[bytes]]] = {}
        self._scope: Scope | None = None
        self._records: list[bytes] = []
        self._bytes = 0
        self._items = 0
        self.too_large = 0
        self._invalid = 0
        self._error: Exception | None = None

    def add(self, record: T, encoded: bytes) -> bool:
        """Put a record into this request or the next; False if it would not fit into an empty one."""
        scope = record.scope
        size = len(encoded) + _COMMA_BYTES
        if scope is not self._scope:
            if scope not in self._blocks:
                return self._open(scope, record, encoded)
            self._scope, self._records = scope, self._blocks[scope][1]
        if self._bytes + size > self._room:
            return self._open(scope, record, encoded)
        self._records.append(encoded)
        self._bytes += size
        self._items += self._form.items(record)
        return True

    def _open(self, scope: Scope, record: T, encoded: bytes) -> bool:
        """Begin a scope's block, in a new request when this one has no room for it."""
        head = self._form.scope(scope)
        size = len(head) + len(encoded) + _COMMA_BYTES + _JOINING_BYTES
        if size > self._room:
            return False
        if self._bytes + size > self._room:
            self._close()
        self._scope, self._records = scope, [encoded]
        self._blocks[scope] = head, self._records
        self._bytes += size
        self._items += self._form.items(record)
        return True

    def _close(self) -> None:
        blocks = [self._form.block(head, records) for head, records in self._blocks.values()]
        self._payloads.append((self._form.request(self._resource, blocks), self._items))
        self._blocks = {}
        self._bytes = 0
        self._items = 0

    def refuse(self, record: T, error: Exception) -> None:
        """Count a record that cannot be written."""
        self._invalid += self._form.items(record)
        self._error = self._error or error

    def finish(self) -> Packed:
        """Close the last request."""
        if self._blocks:
            self._close()
        return Packed(self._payloads, self.too_large, self._invalid, self._error)


def halve_metric(metric: MetricData) -> tuple[MetricData, MetricData] | None:
    """The same metric twice, with half of the points each."""
    middle = len(metric.points) // 2
    if middle == 0:
        return None
    return replace(metric, points=metric.points[:middle]), replace(metric, points=metric.points[middle:])


def divisible(form: Format[MetricData]) -> Format[MetricData]:
    """The format of metrics, whose items are the points and which may be sent in parts."""
    return replace(form, items=lambda metric: len(metric.points), halve=halve_metric)
