"""What an instrument's measurements add up to, one small object per attribute set.

A point only ever grows. Each reader (the exporter, the counter shard) remembers what it has seen and takes the
difference, so that two readers of deltas never take from each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from lumigate.telemetry.records import AttributeValue, Exemplar, HistogramPoint, NumberPoint

EXPORT: Final = 0
"""The reader whose collections go to OTLP."""
SHARD: Final = 1
"""The reader whose collections go to the counter shard."""
_READERS: Final = 2
_EXACT: Final = 1 << 53
"""Integers below this are the ordinary case."""

type TakenExemplar = tuple[int | float, int, int, int]
"""value, time, trace id, span id"""


class Point(Protocol):
    """A growing aggregate. `take` gives what a reader has not seen (delta) or everything (cumulative)."""

    attributes: Mapping[str, AttributeValue]
    size: int
    idle: int

    def take(self, reader: int, start_ns: int, now_ns: int, *, delta: bool) -> Any: ...

    def is_read_by(self, reader: int) -> bool: ...


class SumPoint:
    """A counter's total."""

    __slots__ = ("_seen", "attributes", "exemplar", "idle", "size", "value")

    def __init__(self, attributes: Mapping[str, AttributeValue], size: int) -> None:
        self.attributes = attributes
        self.size = size
        self.idle = 0
        self.value: int | float = 0
        self.exemplar: TakenExemplar | None = None
        self._seen: list[int | float | None] = [None] * _READERS

    def take(self, reader: int, start_ns: int, now_ns: int, *, delta: bool) -> NumberPoint | None:
        seen = self._seen[reader]
        if delta and seen == self.value:
            return None
        exemplar = (to_exemplar(self.exemplar),) if self.exemplar is not None else ()
        if reader == EXPORT:
            self.exemplar = None
        self._seen[reader] = self.value
        value = plain_number(self.value - (seen or 0) if delta else self.value)
        return NumberPoint(self.attributes, start_ns, now_ns, value, exemplar)

    def is_read_by(self, reader: int) -> bool:
        return self._seen[reader] == self.value


class GaugePoint:
    """A gauge's last value."""

    __slots__ = ("_fresh", "attributes", "exemplar", "idle", "size", "value")

    def __init__(self, attributes: Mapping[str, AttributeValue], size: int) -> None:
        self.attributes = attributes
        self.size = size
        self.idle = 0
        self.value: int | float = 0
        self.exemplar: TakenExemplar | None = None
        self._fresh = [True] * _READERS

    def set(self, value: int | float) -> None:
        self.value = value
        self._fresh[EXPORT] = self._fresh[SHARD] = True

    def take(self, reader: int, start_ns: int, now_ns: int, *, delta: bool) -> NumberPoint | None:
        if delta and not self._fresh[reader]:
            return None
        self._fresh[reader] = False
        exemplar = (to_exemplar(self.exemplar),) if self.exemplar is not None else ()
        if reader == EXPORT:
            self.exemplar = None
        # a gauge has no start: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#gauge
        return NumberPoint(self.attributes, 0, now_ns, plain_number(self.value), exemplar)

    def is_read_by(self, reader: int) -> bool:
        return not self._fresh[reader]


class BucketsPoint:
    """A histogram with explicit bounds."""

    __slots__ = ("_bounds", "_seen", "attributes", "counts", "exemplars", "idle", "max", "min", "size", "sum")

    def __init__(self, attributes: Mapping[str, AttributeValue], size: int, bounds: Sequence[float]) -> None:
        self.attributes = attributes
        self.size = size
        self.idle = 0
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: int | float = 0
        self.min = float("inf")
        self.max = float("-inf")
        self.exemplars: dict[int, TakenExemplar] = {}
        """By bucket; the last sampled measurement of each."""
        self._seen: list[tuple[list[int], int | float] | None] = [None] * _READERS

    def take(self, reader: int, start_ns: int, now_ns: int, *, delta: bool) -> HistogramPoint | None:
        seen = self._seen[reader]
        if delta and seen is not None and seen[0] == self.counts:
            return None
        counts, total = self.counts.copy(), self.sum
        self._seen[reader] = (counts, total)
        if delta and seen is not None:
            # a comprehension, since calls into C are what is slow in wasm: 0.6 us for 15 buckets, `map(sub)` 1.4
            counts = [now - before for now, before in zip(counts, seen[0], strict=True)]
            total -= seen[1]
        exemplars = tuple(map(to_exemplar, self.exemplars.values())) if self.exemplars else ()
        # the shard's difference has no extremes of its own: only the exporter's window resets them
        count = sum(counts)
        low, high = (None, None) if reader == SHARD or not count else (float(self.min), float(self.max))
        if reader == EXPORT:
            self.exemplars.clear()
            if delta:
                self.min, self.max = float("inf"), float("-inf")
        return HistogramPoint(
            self.attributes,
            start_ns,
            now_ns,
            count,
            float(total),
            self._bounds,
            counts,
            low,
            high,
            exemplars,
        )

    def is_read_by(self, reader: int) -> bool:
        seen = self._seen[reader]
        return seen is not None and seen[0] == self.counts


def plain_number(value: int | float) -> int | float:
    """What the wire can carry: a Decimal, a bool or a numpy integer may have been added up."""
    kind = type(value)
    if kind is float or (kind is int and -_EXACT < value < _EXACT):
        return value
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return int(value)
    return float(value)


def to_exemplar(taken: TakenExemplar) -> Exemplar:
    return Exemplar(value=plain_number(taken[0]), time_ns=taken[1], trace_id=taken[2], span_id=taken[3])
