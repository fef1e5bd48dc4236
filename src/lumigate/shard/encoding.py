"""Deltas become batches: the isolate's side of the wire format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lumigate.shard.wire import (
    MAX_ATTRIBUTES,
    MAX_ATTRIBUTES_CHARS,
    MAX_CHARS,
    VERSION,
    Point,
    canonical,
    is_number,
)
from lumigate.telemetry.records import DELTA, Exemplar, HistogramPoint, MetricData, NumberPoint

type _WireMetric = list[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Batch texts with consecutive sequence numbers, and how many points had no place in them."""

    texts: list[str]
    skipped: int


def encode_batches(
    metrics: Iterable[MetricData],
    *,
    isolate: str,
    first_sequence: int,
    sealed_ns: int,
    max_chars: int = MAX_CHARS,
) -> Encoded:
    """The deltas as batches numbered from `first_sequence`; more than one only where one would exceed `max_chars`.

    Skipped: exponential histograms (the shard adds explicit buckets), numbers that are not finite, cumulative sums.
    """
    skipped = 0
    wire: list[_WireMetric] = []
    for metric in metrics:
        points, refused = _points(metric)
        skipped += refused
        if points:
            wire.append([_schema(metric), metric.description, metric.scope.version, points])
    texts: list[str] = []
    waiting = [wire] if wire else []
    while waiting:
        part = waiting.pop()
        sequence = first_sequence + len(texts)
        text = json.dumps(
            {"v": VERSION, "isolate": isolate, "seq": sequence, "sealed": sealed_ns, "metrics": part},
            separators=(",", ":"),
        )
        if len(text) <= max_chars:
            texts.append(text)
            continue
        halves = _halves(part)
        if halves is None:
            skipped += 1  # a single point larger than any batch
        else:
            waiting += reversed(halves)
    return Encoded(texts=texts, skipped=skipped)


def _schema(metric: MetricData) -> str:
    bounds: Sequence[float] = ()
    if metric.kind == "histogram":
        first = metric.points[0]
        assert isinstance(first, HistogramPoint)
        bounds = first.bounds
    return canonical(
        [
            metric.name,
            metric.unit,
            metric.kind,
            metric.monotonic,
            [float(b) for b in bounds],
            metric.scope.name,
        ]
    )


def _points(metric: MetricData) -> tuple[list[Point], int]:
    if metric.kind == "exponential_histogram" or (metric.kind != "gauge" and metric.temporality != DELTA):
        return [], len(metric.points)
    points: list[Point] = []
    for point in metric.points:
        try:
            made = _point(metric.kind, point)
        except Exception:  # noqa: S112 # whatever is wrong with it, it costs no other point
            continue
        if made is not None:
            points.append(made)
    return points, len(metric.points) - len(points)


def _point(kind: str, point: object) -> Point | None:
    """The point, unless the shard would refuse it: with it, it would refuse the whole batch."""
    if not isinstance(point, NumberPoint | HistogramPoint) or len(point.attributes) > MAX_ATTRIBUTES:
        return None
    attributes = canonical(dict(point.attributes))
    value = point.sum if isinstance(point, HistogramPoint) else point.value
    if len(attributes) > MAX_ATTRIBUTES_CHARS or not is_number(value):
        return None
    made: Point = [attributes, value]
    if isinstance(point, HistogramPoint):
        made.append(list(point.bucket_counts))
    elif kind == "gauge":
        return [*made, point.time_ns]
    exemplars = [_exemplar(one) for one in point.exemplars if one.trace_id and is_number(one.value)]
    return [*made, exemplars] if exemplars else made


def _exemplar(exemplar: Exemplar) -> list[object]:
    return [exemplar.value, exemplar.time_ns, f"{exemplar.trace_id:032x}", f"{exemplar.span_id:016x}"]


def _halves(wire: list[_WireMetric]) -> list[list[_WireMetric]] | None:
    if len(wire) > 1:
        middle = len(wire) // 2
        return [wire[:middle], wire[middle:]]
    *head, points = wire[0]
    assert isinstance(points, list)
    if len(points) < 2:
        return None
    middle = len(points) // 2
    return [[[*head, points[:middle]]], [[*head, points[middle:]]]]
