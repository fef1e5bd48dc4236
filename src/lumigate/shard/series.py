"""One attribute set's running total. Three kinds, one shape: merge a point, say whether it is idle, give its columns.

`birth` numbers the series of a shard in the order they came into being: readers are told by it which series they have
seen at zero (`lumigate.shard.readers`). `start_ns` is the moment of birth and never moves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, Protocol

from lumigate.shard.settings import ShardSettings
from lumigate.shard.wire import Point, Schema
from lumigate.telemetry.records import AttributeValue

type WireExemplar = list[Any]
"""value, time_ns, trace id, span id"""


class Series(Protocol):
    """What a metric asks of its series."""

    key: str
    birth: int
    start_ns: int
    last_ns: int
    attributes: dict[str, AttributeValue] | None

    def merge(self, point: Point, now_ns: int, bounds: Sequence[float]) -> None:
        """Add a delta. It has been checked; this cannot fail."""
        ...

    def is_idle(self, settings: ShardSettings, now_ns: int) -> bool:
        """Whether it has expired by `now_ns`. Everywhere, an expired series is as good as none."""
        ...

    def columns(self) -> tuple[Any, ...]:
        """What a snapshot keeps, in the order of the constructor. Exemplars are let go."""
        ...


class SumSeries:
    """A counter or an up-down counter."""

    __slots__ = ("attributes", "birth", "exemplar", "is_level", "key", "last_ns", "start_ns", "value")

    def __init__(
        self, key: str, birth: int, start_ns: int, last_ns: int, value: float = 0, is_level: bool = False
    ) -> None:
        self.key = key
        self.birth = birth
        self.start_ns = start_ns
        self.last_ns = last_ns
        self.value = value
        self.is_level = is_level
        self.exemplar: WireExemplar | None = None
        self.attributes: dict[str, AttributeValue] | None = None

    def merge(self, point: Point, now_ns: int, bounds: Sequence[float]) -> None:
        self.value += point[1]
        self.last_ns = now_ns
        if len(point) > 2:
            for exemplar in point[2]:
                if self.exemplar is None or exemplar[1] >= self.exemplar[1]:
                    self.exemplar = exemplar

    def is_idle(self, settings: ShardSettings, now_ns: int) -> bool:
        # a level that is not zero is held by somebody, however long they are silent
        return now_ns - self.last_ns > settings.idle_ns and not (self.is_level and self.value)

    def columns(self) -> tuple[Any, ...]:
        return (self.key, self.birth, self.start_ns, self.last_ns, self.value, self.is_level)


class GaugeSeries:
    """The latest of many isolates' values; of two at the same instant the larger, so that order never matters."""

    __slots__ = ("attributes", "birth", "key", "last_ns", "start_ns", "time_ns", "value")

    def __init__(
        self, key: str, birth: int, start_ns: int, last_ns: int, value: float = 0, time_ns: int = -1
    ) -> None:
        self.key = key
        self.birth = birth
        self.start_ns = start_ns
        self.last_ns = last_ns
        self.value = value
        self.time_ns = time_ns
        self.attributes: dict[str, AttributeValue] | None = None

    def merge(self, point: Point, now_ns: int, bounds: Sequence[float]) -> None:
        # a clock that runs ahead must not pin its value
        time_ns = min(point[2], now_ns)
        if (time_ns, point[1]) > (self.time_ns, self.value) or self.time_ns < 0:
            self.time_ns, self.value = time_ns, point[1]
        self.last_ns = now_ns

    def is_idle(self, settings: ShardSettings, now_ns: int) -> bool:
        return now_ns - self.last_ns > settings.gauge_idle_ns

    def columns(self) -> tuple[Any, ...]:
        return (self.key, self.birth, self.start_ns, self.last_ns, self.value, self.time_ns)


class BucketSeries:
    """A histogram. Without minimum and maximum: since a start hours ago they say nothing."""

    __slots__ = ("attributes", "birth", "counts", "exemplars", "key", "last_ns", "start_ns", "sum")

    def __init__(
        self, key: str, birth: int, start_ns: int, last_ns: int, total: float, counts: list[int]
    ) -> None:
        self.key = key
        self.birth = birth
        self.start_ns = start_ns
        self.last_ns = last_ns
        self.sum = total
        self.counts = counts
        self.exemplars: dict[int, WireExemplar] = {}
        """The latest of each bucket."""
        self.attributes: dict[str, AttributeValue] | None = None

    def merge(self, point: Point, now_ns: int, bounds: Sequence[float]) -> None:
        self.sum += point[1]
        self.counts = [had + more for had, more in zip(self.counts, point[2], strict=True)]
        self.last_ns = now_ns
        if len(point) > 3:
            for exemplar in point[3]:
                bucket = bisect_left(bounds, exemplar[0])
                had = self.exemplars.get(bucket)
                if had is None or exemplar[1] >= had[1]:
                    self.exemplars[bucket] = exemplar

    def is_idle(self, settings: ShardSettings, now_ns: int) -> bool:
        return now_ns - self.last_ns > settings.idle_ns

    def columns(self) -> tuple[Any, ...]:
        return (self.key, self.birth, self.start_ns, self.last_ns, self.sum, self.counts)


def born(schema: Schema, key: str, birth: int, now_ns: int) -> Series:
    """A series that has counted nothing yet."""
    if schema.kind == "histogram":
        return BucketSeries(key, birth, now_ns, now_ns, 0, [0] * (len(schema.bounds) + 1))
    if schema.kind == "gauge":
        return GaugeSeries(key, birth, now_ns, now_ns)
    return SumSeries(key, birth, now_ns, now_ns, 0, not schema.monotonic)


RESTORED: Final = {"sum": SumSeries, "gauge": GaugeSeries, "histogram": BucketSeries}
"""What makes a series from its columns again."""
