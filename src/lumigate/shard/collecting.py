"""Totals as cumulative metric data, each series at zero for whom it has not been shown yet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from lumigate.shard.metric import MetricState
from lumigate.shard.series import BucketSeries, GaugeSeries, Series, SumSeries, WireExemplar
from lumigate.telemetry.records import (
    CUMULATIVE,
    AttributeValue,
    Exemplar,
    HistogramPoint,
    MetricData,
    NumberPoint,
    Scope,
)

GENERATION: Final = "lumigate.metric.generation"
"""Marks the series of a second schema of the same name: during a rollout, old buckets and new ones are exported side by
side, and this attribute, 1 or more, tells the later apart. The first, and ordinarily only, schema does not carry it."""

type Point = NumberPoint | HistogramPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a reader is shown, and the mark to be stored for it."""

    metrics: list[MetricData]
    mark: str | None
    """The row's body; None if showing this changes nothing."""
    at_ns: int


def collected(metric: MetricState, revealed: int, now_ns: int) -> MetricData | None:
    """The metric's live series. Those born after `revealed` are at zero, or left out where zero would be a lie."""
    metric.sweep(now_ns)
    if not metric.series:
        return None
    _read_attributes(metric)
    schema = metric.schema
    points = [_point(metric, series, revealed, now_ns) for series in metric.series.values()]
    return MetricData(
        scope=Scope(schema.scope_name, metric.scope_version),
        name=schema.name,
        unit=schema.unit,
        description=metric.description,
        kind=schema.kind,
        points=points,
        temporality=CUMULATIVE,
        monotonic=schema.monotonic,
    )


def _point(metric: MetricState, series: Series, revealed: int, now_ns: int) -> Point:
    assert series.attributes is not None
    hidden = series.birth > revealed and metric.schema.starts_at_zero
    if isinstance(series, BucketSeries):
        counts = [0] * len(series.counts) if hidden else series.counts
        return HistogramPoint(
            attributes=series.attributes,
            start_ns=series.start_ns,
            time_ns=now_ns,
            count=sum(counts),
            sum=0.0 if hidden else float(series.sum),
            bounds=metric.schema.bounds,
            bucket_counts=counts,
            exemplars=() if hidden else [_exemplar(one) for one in series.exemplars.values()],
        )
    assert isinstance(series, (SumSeries, GaugeSeries))
    exemplar = series.exemplar if isinstance(series, SumSeries) else None
    return NumberPoint(
        attributes=series.attributes,
        start_ns=0 if metric.schema.kind == "gauge" else series.start_ns,
        time_ns=now_ns,
        value=0 if hidden else series.value,
        exemplars=() if hidden or exemplar is None else (_exemplar(exemplar),),
    )


def _read_attributes(metric: MetricState) -> None:
    """Parse the keys that were not yet, all at once: after a restore that is every one."""
    unread = [series for series in metric.series.values() if series.attributes is None]
    if not unread:
        return
    parsed: list[dict[str, AttributeValue]] = json.loads(f"[{','.join([s.key for s in unread])}]")
    for series, attributes in zip(unread, parsed, strict=True):
        if metric.generation:
            attributes[GENERATION] = metric.generation
        series.attributes = attributes


def _exemplar(found: WireExemplar) -> Exemplar:
    value, time_ns, trace_id, span_id = found
    return Exemplar(value=value, time_ns=time_ns, trace_id=int(trace_id, 16), span_id=int(span_id, 16))
