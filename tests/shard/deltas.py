"""Deltas as an isolate collects them, a shard over SQLite that can be evicted, and what readers see of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from lumigate.shard import Collection, Outbox, Reader, Shard, ShardSettings, SqlStore
from lumigate.telemetry.records import (
    DELTA,
    AttributeValue,
    Exemplar,
    HistogramPoint,
    MetricData,
    NumberPoint,
    Scope,
)

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_800_000_000 * SECOND
SCOPE = Scope("lumigate", "0.1.0")
BOUNDS = (0.1, 0.5, 1.0)


def counter(
    value: float,
    name: str = "requests",
    *,
    unit: str = "{request}",
    monotonic: bool = True,
    exemplars: Sequence[Exemplar] = (),
    **attributes: AttributeValue,
) -> MetricData:
    point = NumberPoint(attributes=attributes, start_ns=0, time_ns=0, value=value, exemplars=exemplars)
    return MetricData(
        scope=SCOPE,
        name=name,
        unit=unit,
        description="Requests.",
        kind="sum",
        points=[point],
        temporality=DELTA,
        monotonic=monotonic,
    )


def gauge(value: float, time_ns: int, name: str = "level", **attributes: AttributeValue) -> MetricData:
    point = NumberPoint(attributes=attributes, start_ns=0, time_ns=time_ns, value=value)
    return MetricData(
        scope=SCOPE,
        name=name,
        unit="1",
        description="A level.",
        kind="gauge",
        points=[point],
        temporality=DELTA,
    )


def histogram(
    values: Sequence[float],
    name: str = "duration",
    *,
    bounds: Sequence[float] = BOUNDS,
    exemplars: Sequence[Exemplar] = (),
    **attributes: AttributeValue,
) -> MetricData:
    counts = bucketed(values, bounds)
    point = HistogramPoint(
        attributes=attributes,
        start_ns=0,
        time_ns=0,
        count=len(values),
        sum=float(sum(values)),
        bounds=bounds,
        bucket_counts=counts,
        exemplars=exemplars,
    )
    return MetricData(
        scope=SCOPE, name=name, unit="s", description="Duration.", kind="histogram", points=[point]
    )


def bucketed(values: Sequence[float], bounds: Sequence[float]) -> list[int]:
    """Counts by bucket, the definition word for word: each bucket holds (lower, upper]."""
    edges = [float("-inf"), *bounds, float("inf")]
    return [sum(low < value <= high for value in values) for low, high in pairwise(edges)]


def sealed(outbox: Outbox, now_ns: int, *metrics: MetricData) -> dict[str, str]:
    """The message that carries the metrics, as the isolate would send it now."""
    outbox.seal(metrics, now_ns)
    return outbox.due(now_ns)[-1].message()


class PowerCut(Exception):
    """The machine is gone in the middle of it."""


class EvictableShard:
    """A shard in a database that outlives it."""

    def __init__(self, settings: ShardSettings | None = None) -> None:
        self.settings = settings or ShardSettings()
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self.power_fails_in: int | None = None
        """After so many statements; None never. The last one may still take effect."""
        self.last_takes_effect = False
        self.shard = self.opened()

    def opened(self) -> Shard:
        return Shard.open(SqlStore(self.execute), self.settings)

    def execute(self, sql: str, /, *parameters: int | str) -> list[Any]:
        fails = self.power_fails_in == 0
        if self.power_fails_in is not None:
            self.power_fails_in = max(0, self.power_fails_in - 1)
        if fails and not self.last_takes_effect:
            raise PowerCut
        found = self.database.execute(sql, parameters).fetchall()
        if fails:
            raise PowerCut
        return found

    def evict(self) -> None:
        """Lose the object and all its memory; the next one finds the database."""
        self.power_fails_in = None
        self.shard = self.opened()

    def close(self) -> None:
        self.database.close()

    def push(self, message: Mapping[str, Any], now_ns: int) -> str:
        return str(self.shard.push(message, now_ns)["status"])

    def scrape(self, now_ns: int) -> Collection:
        collection = self.shard.collect(Reader.SCRAPE, now_ns)
        self.shard.shown(collection)
        return collection

    def export(self, now_ns: int, *, acknowledged: bool = True) -> Collection:
        collection = self.shard.collect(Reader.PUSH, now_ns)
        if acknowledged:
            self.shard.shown(collection)
        return collection


type Key = tuple[str, tuple[tuple[str, AttributeValue], ...]]


def points(collection: Collection) -> dict[Key, NumberPoint | HistogramPoint]:
    """By name and attributes. Fails if two points have the same."""
    found: dict[Key, NumberPoint | HistogramPoint] = {}
    for metric in collection.metrics:
        for point in metric.points:
            assert isinstance(point, (NumberPoint, HistogramPoint))
            key = (metric.name, tuple(sorted(point.attributes.items())))
            assert key not in found
            found[key] = point
    return found


def value(collection: Collection, name: str = "requests", **attributes: AttributeValue) -> float | None:
    """A number's value or a histogram's count; None if the series is not there."""
    point = points(collection).get((name, tuple(sorted(attributes.items()))))
    return None if point is None else point.count if isinstance(point, HistogramPoint) else point.value
