"""A metric with its points as OTLP/JSON text (metrics.proto)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lumigate.telemetry.otlp.json_values import attribute_list, attributes, number, quote
from lumigate.telemetry.records import (
    Exemplar,
    ExponentialHistogramPoint,
    HistogramPoint,
    MetricData,
    NumberPoint,
    PointAttributes,
)

_INT64_LIMIT = 1 << 63
MAX_ENTRIES = 128
MAX_CACHED_BOUNDS = 64

# Outlives a request on purpose: bounds are declared once, and writing them costs more than all else of a point.
# Plain text, bounded in entries and in the length of each.
_written_bounds: dict[Sequence[float], str] = {}

_SMALL = tuple(map(str, range(1024)))
"""Most bucket counts are small: looking their text up costs a third of making it (0.7 for 2.0 us a histogram)."""


def metric(record: MetricData) -> str:
    """One `Metric` object."""
    description = f',"description":{quote(record.description)}' if record.description else ""
    unit = f',"unit":{quote(record.unit)}' if record.unit else ""
    field, write = _KINDS[record.kind]
    points = ",".join([write(point) for point in record.points])
    temporality = "" if record.kind == "gauge" else f',"aggregationTemporality":{record.temporality}'
    monotonic = ',"isMonotonic":true' if record.kind == "sum" and record.monotonic else ""
    return (
        f'{{"name":{quote(record.name)}{description}{unit}'
        f',"{field}":{{"dataPoints":[{points}]{temporality}{monotonic}}}}}'
    )


def _sum_point(point: NumberPoint) -> str:
    return (
        f'{{"startTimeUnixNano":"{point.start_ns}","timeUnixNano":"{point.time_ns}",{_value(point.value)}'
        f"{_attributes(point.attributes)}{_exemplars(point.exemplars) if point.exemplars else ''}}}"
    )


def _gauge_point(point: NumberPoint) -> str:
    """A gauge has no start: metrics.proto says it is ignored, and the official encoder leaves it out."""
    return (
        f'{{"timeUnixNano":"{point.time_ns}",{_value(point.value)}'
        f"{_attributes(point.attributes)}{_exemplars(point.exemplars)}}}"
    )


def _histogram_point(point: HistogramPoint) -> str:
    return (
        f'{{"startTimeUnixNano":"{point.start_ns}","timeUnixNano":"{point.time_ns}","count":"{point.count}"'
        f',"sum":{number(point.sum)}{_extremes(point)},"bucketCounts":[{_integers(point.bucket_counts)}]'
        f',"explicitBounds":[{_bounds(point.bounds)}]'
        f"{_attributes(point.attributes)}{_exemplars(point.exemplars) if point.exemplars else ''}}}"
    )


def _exponential_point(point: ExponentialHistogramPoint) -> str:
    threshold = f',"zeroThreshold":{number(point.zero_threshold)}' if point.zero_threshold else ""
    return (
        f'{{"startTimeUnixNano":"{point.start_ns}","timeUnixNano":"{point.time_ns}","count":"{point.count}"'
        f',"sum":{number(point.sum)}{_extremes(point)},"scale":{point.scale},"zeroCount":"{point.zero_count}"'
        f"{_buckets('positive', point.positive_offset, point.positive_counts)}"
        f"{_buckets('negative', point.negative_offset, point.negative_counts)}"
        f"{threshold}{_attributes(point.attributes)}{_exemplars(point.exemplars)}}}"
    )


def _attributes(values: Mapping[str, Any]) -> str:
    if type(values) is not PointAttributes:
        return attribute_list(values)
    written = values.as_json
    if written is None:
        written = values.as_json = attribute_list(values)
    return written


def _bounds(bounds: Sequence[float]) -> str:
    fixed = tuple(bounds)
    written = _written_bounds.get(fixed)
    if written is None:
        written = ",".join(map(number, fixed))
        if len(fixed) <= MAX_CACHED_BOUNDS:
            if len(_written_bounds) >= MAX_ENTRIES:
                _written_bounds.clear()
            _written_bounds[fixed] = written
    return written


def _buckets(side: str, offset: int, counts: Sequence[int]) -> str:
    return f',"{side}":{{"offset":{offset},"bucketCounts":[{_integers(counts)}]}}' if counts else ""


def _extremes(point: HistogramPoint | ExponentialHistogramPoint) -> str:
    low = "" if point.min is None else f',"min":{number(point.min)}'
    high = "" if point.max is None else f',"max":{number(point.max)}'
    return low + high


def _exemplars(exemplars: Sequence[Exemplar]) -> str:
    return f',"exemplars":[{",".join(map(_exemplar, exemplars))}]' if exemplars else ""


def _exemplar(exemplar: Exemplar) -> str:
    trace = f',"traceId":"{exemplar.trace_id.to_bytes(16).hex()}"' if exemplar.trace_id else ""
    span = f',"spanId":"{exemplar.span_id.to_bytes(8).hex()}"' if exemplar.span_id else ""
    filtered = f',"filteredAttributes":[{attributes(exemplar.attributes)}]' if exemplar.attributes else ""
    return f'{{"timeUnixNano":"{exemplar.time_ns}",{_value(exemplar.value)}{trace}{span}{filtered}}}'


def _value(value: float) -> str:
    if type(value) is int and -_INT64_LIMIT <= value < _INT64_LIMIT:
        return f'"asInt":"{value}"'
    if isinstance(value, int) and -_INT64_LIMIT <= value < _INT64_LIMIT:
        return f'"asInt":"{int(value)}"'
    return f'"asDouble":{number(float(value))}'


def _integers(values: Sequence[int]) -> str:
    try:
        texts = [_SMALL[value] for value in values]
    except IndexError:
        texts = [str(value) for value in values]
    return f'"{'","'.join(texts)}"' if texts else ""


_KINDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "sum": ("sum", _sum_point),
    "gauge": ("gauge", _gauge_point),
    "histogram": ("histogram", _histogram_point),
    "exponential_histogram": ("exponentialHistogram", _exponential_point),
}
