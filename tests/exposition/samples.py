"""Cumulative metrics to expose, one of each kind and one of each metric of the catalog."""

from __future__ import annotations

from collections.abc import Sequence

from lumigate.telemetry.records import (
    CUMULATIVE,
    AttributeValue,
    Exemplar,
    HistogramPoint,
    MetricData,
    NumberPoint,
    Scope,
)
from lumigate.telemetry.schema import InstrumentKind, Metric

START = 1_800_000_000_000_000_000
NOW = START + 60_000_000_000
SCOPE = Scope("lumigate", "0.1.0")
EXEMPLAR = Exemplar(value=0.3, time_ns=NOW - 1_000_000, trace_id=0xABC << 64, span_id=0xDEF)


def number(value: float, *exemplars: Exemplar, **attributes: AttributeValue) -> NumberPoint:
    return NumberPoint(attributes=attributes, start_ns=START, time_ns=NOW, value=value, exemplars=exemplars)


def buckets(
    counts: Sequence[int],
    total: float,
    *exemplars: Exemplar,
    bounds: Sequence[float] = (0.1, 0.5, 1),
    **attributes: AttributeValue,
) -> HistogramPoint:
    return HistogramPoint(
        attributes=attributes,
        start_ns=START,
        time_ns=NOW,
        count=sum(counts),
        sum=total,
        bounds=bounds,
        bucket_counts=counts,
        exemplars=exemplars,
    )


def counter(*points: NumberPoint, name: str = "lumigate.requests", unit: str = "{request}") -> MetricData:
    return _data(name, unit, "Requests.", points, "sum", monotonic=True)


def gauge(*points: NumberPoint, name: str = "lumigate.share", unit: str = "1") -> MetricData:
    return _data(name, unit, "A share.", points, "gauge")


def level(*points: NumberPoint, name: str = "lumigate.level", unit: str = "1") -> MetricData:
    return _data(name, unit, "A level.", points, "sum")


def histogram(*points: HistogramPoint, name: str = "lumigate.duration", unit: str = "s") -> MetricData:
    return _data(name, unit, "How long.", points, "histogram")


def of_catalog(metric: Metric) -> MetricData:
    """A point of the metric with a value for every attribute."""
    attributes: dict[str, AttributeValue] = {
        a.key: sorted(a.values)[-1] if a.values else "x" if a.type is str else 7 for a in metric.attributes
    }
    kind = metric.kind
    if kind is InstrumentKind.HISTOGRAM:
        counts = [n % 3 for n in range(len(metric.buckets) + 1)]
        point: NumberPoint | HistogramPoint = buckets(
            counts, 1.5, EXEMPLAR, bounds=metric.buckets, **attributes
        )
    else:
        point = number(12, **attributes)
    return MetricData(
        scope=SCOPE,
        name=metric.name,
        unit=metric.unit,
        description=metric.description,
        kind="histogram"
        if kind is InstrumentKind.HISTOGRAM
        else "gauge"
        if kind is InstrumentKind.GAUGE
        else "sum",
        points=[point],
        temporality=CUMULATIVE,
        monotonic=kind is InstrumentKind.COUNTER,
    )


def _data(
    name: str,
    unit: str,
    description: str,
    points: Sequence[NumberPoint | HistogramPoint],
    kind: str,
    *,
    monotonic: bool = False,
) -> MetricData:
    return MetricData(
        scope=SCOPE,
        name=name,
        unit=unit,
        description=description,
        kind="gauge" if kind == "gauge" else "histogram" if kind == "histogram" else "sum",
        points=points,
        temporality=CUMULATIVE,
        monotonic=monotonic,
    )
