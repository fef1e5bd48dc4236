"""Estimates of the memory that buffered records hold. They err upwards; the figures were measured on CPython 3.13."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lumigate.telemetry.attributes import memory_of
from lumigate.telemetry.buffer import Entry
from lumigate.telemetry.otlp.packing import halve_metric
from lumigate.telemetry.records import (
    ExponentialHistogramPoint,
    HistogramPoint,
    LogRecord,
    MetricData,
    SpanRecord,
)

_SPAN: Final = 520
_ATTRIBUTE: Final = 110
_POINT: Final = 360
_BUCKET: Final = 12


def spans_bytes(spans: Sequence[SpanRecord], extra_bytes: int) -> int:
    """Memory of a trace's spans; `extra_bytes` is what was counted exactly for long values, events and links."""
    attributes = sum([len(span.attributes) for span in spans])
    return _SPAN * len(spans) + _ATTRIBUTE * attributes + extra_bytes


def log_bytes(record: LogRecord, *, large: bool) -> int:
    """Memory of a log record; its attributes are counted exactly where they may be `large`."""
    attributes = memory_of(record.attributes) if large else _ATTRIBUTE * len(record.attributes)
    return 400 + attributes + _body_bytes(record.body)


def metric_entry(data: MetricData) -> Entry:
    """A metric as a queue's entry: its items are its points."""
    size = 300
    for point in data.points:
        size += _POINT
        if isinstance(point, HistogramPoint):
            size += _BUCKET * len(point.bucket_counts)
        elif isinstance(point, ExponentialHistogramPoint):
            size += _BUCKET * (len(point.positive_counts) + len(point.negative_counts))
    return Entry([data], len(data.points), size, key=(data.scope.name, data.name))


def halved_metric(entry: Entry) -> tuple[Entry, Entry] | None:
    """A metric's entry as two with half of the points each; together they weigh what it did."""
    halves = halve_metric(entry.records[0])
    if halves is None:
        return None
    first, second = map(metric_entry, halves)
    first.origin = second.origin = entry.origin
    first.bytes = entry.bytes * first.items // entry.items
    second.bytes = entry.bytes - first.bytes
    return first, second


def _body_bytes(body: Any) -> int:
    if isinstance(body, (str, bytes)):
        return 60 + 4 * len(body)
    if isinstance(body, dict):
        return 80 + sum(120 + len(key) + _body_bytes(value) for key, value in body.items())
    if isinstance(body, list):
        return 60 + sum(map(_body_bytes, body))
    return 40
