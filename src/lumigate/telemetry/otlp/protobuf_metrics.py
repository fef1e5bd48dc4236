"""A metric with its points as protobuf (metrics.proto)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from lumigate.telemetry.otlp.protobuf_values import attributes
from lumigate.telemetry.otlp.wire import (
    delimited,
    pack_double,
    pack_fixed64,
    packed_doubles,
    packed_fixed64,
    packed_varints,
    text,
    unsigned,
    zigzag,
)
from lumigate.telemetry.records import (
    Exemplar,
    ExponentialHistogramPoint,
    HistogramPoint,
    MetricData,
    NumberPoint,
)

_INT64_LIMIT = 1 << 63


def metric(record: MetricData) -> bytes:
    """The content of a `Metric` message."""
    field, write = _KINDS[record.kind]
    data = [delimited(b"\x0a", write(point)) for point in record.points]
    if record.kind != "gauge":
        data.append(unsigned(b"\x10", record.temporality))
    if record.kind == "sum" and record.monotonic:
        data.append(b"\x18\x01")
    return b"".join(
        (
            text(b"\x0a", record.name),
            text(b"\x12", record.description),
            text(b"\x1a", record.unit),
            delimited(field, b"".join(data)),
        )
    )


def _sum_point(point: NumberPoint) -> bytes:
    return b"\x11" + pack_fixed64(point.start_ns) + _gauge_point(point)


def _gauge_point(point: NumberPoint) -> bytes:
    """A gauge has no start: metrics.proto says it is ignored, and the official encoder leaves it out."""
    return b"".join(
        (
            b"\x19",
            pack_fixed64(point.time_ns),
            _value(b"\x21", b"\x31", point.value),
            attributes(b"\x3a", point.attributes),
            _exemplars(b"\x2a", point.exemplars),
        )
    )


def _histogram_point(point: HistogramPoint) -> bytes:
    return b"".join(
        (
            _times_count_and_sum(point),
            packed_fixed64(b"\x32", point.bucket_counts),
            packed_doubles(b"\x3a", point.bounds),
            _exemplars(b"\x42", point.exemplars),
            attributes(b"\x4a", point.attributes),
            _double(b"\x59", point.min),
            _double(b"\x61", point.max),
        )
    )


def _exponential_point(point: ExponentialHistogramPoint) -> bytes:
    return b"".join(
        (
            attributes(b"\x0a", point.attributes),
            _times_count_and_sum(point),
            b"\x30" + zigzag(point.scale) if point.scale else b"",
            b"\x39",
            pack_fixed64(point.zero_count),
            _buckets(b"\x42", point.positive_offset, point.positive_counts),
            _buckets(b"\x4a", point.negative_offset, point.negative_counts),
            _exemplars(b"\x5a", point.exemplars),
            _double(b"\x61", point.min),
            _double(b"\x69", point.max),
            _double(b"\x71", point.zero_threshold or None),
        )
    )


def _times_count_and_sum(point: HistogramPoint | ExponentialHistogramPoint) -> bytes:
    """Fields 2 to 5, which both kinds of histogram have alike."""
    return struct.pack(
        "<BQBQBQBd", 0x11, point.start_ns, 0x19, point.time_ns, 0x21, point.count, 0x29, point.sum
    )


def _buckets(tag: bytes, offset: int, counts: Sequence[int]) -> bytes:
    if not counts:
        return b""
    start = b"\x08" + zigzag(offset) if offset else b""
    return delimited(tag, start + packed_varints(b"\x12", counts))


def _exemplars(tag: bytes, exemplars: Sequence[Exemplar]) -> bytes:
    return b"".join([delimited(tag, _exemplar(exemplar)) for exemplar in exemplars]) if exemplars else b""


def _exemplar(exemplar: Exemplar) -> bytes:
    return b"".join(
        (
            b"\x11",
            pack_fixed64(exemplar.time_ns),
            _value(b"\x19", b"\x31", exemplar.value),
            b"\x22\x08" + exemplar.span_id.to_bytes(8) if exemplar.span_id else b"",
            b"\x2a\x10" + exemplar.trace_id.to_bytes(16) if exemplar.trace_id else b"",
            attributes(b"\x3a", exemplar.attributes),
        )
    )


def _value(double: bytes, integer: bytes, value: float) -> bytes:
    """`as_int` where the value is an integer that fits, else `as_double`."""
    if isinstance(value, int) and -_INT64_LIMIT <= value < _INT64_LIMIT:
        return integer + struct.pack("<q", value)
    return double + pack_double(value)


def _double(tag: bytes, value: float | None) -> bytes:
    return b"" if value is None else tag + pack_double(value)


_KINDS: dict[str, tuple[bytes, Callable[[Any], bytes]]] = {
    "sum": (b"\x3a", _sum_point),
    "gauge": (b"\x2a", _gauge_point),
    "histogram": (b"\x4a", _histogram_point),
    "exponential_histogram": (b"\x52", _exponential_point),
}
