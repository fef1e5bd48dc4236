"""OTLP in protobuf: records in, requests out, as bytes to POST with `content-type: application/x-protobuf`.

Written by hand against opentelemetry-proto 1.x: the protobuf package is pure Python in wasm, where it takes
more than a millisecond for a span.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lumigate.telemetry.otlp import packing
from lumigate.telemetry.otlp.packing import Format, Packed, Scoped, keeping_last
from lumigate.telemetry.otlp.protobuf_logs import log
from lumigate.telemetry.otlp.protobuf_metrics import metric
from lumigate.telemetry.otlp.protobuf_traces import span
from lumigate.telemetry.otlp.protobuf_values import attributes
from lumigate.telemetry.otlp.wire import delimited, text
from lumigate.telemetry.records import LogRecord, MetricData, Resource, Scope, SpanRecord

CONTENT_TYPE = "application/x-protobuf"


def encode_traces(resource: Resource, spans: Sequence[SpanRecord]) -> bytes:
    """An ExportTraceServiceRequest with all spans."""
    return packing.encode(_TRACES, resource, spans)


def encode_metrics(resource: Resource, metrics: Sequence[MetricData]) -> bytes:
    """An ExportMetricsServiceRequest with all metrics."""
    return packing.encode(_METRICS, resource, metrics)


def encode_logs(resource: Resource, logs: Sequence[LogRecord]) -> bytes:
    """An ExportLogsServiceRequest with all log records."""
    return packing.encode(_LOGS, resource, logs)


def encode_traces_chunked(resource: Resource, spans: Sequence[SpanRecord], limit_bytes: int) -> Packed:
    """The spans in requests of at most `limit_bytes`."""
    return packing.encode_chunked(_TRACES, resource, spans, limit_bytes)


def encode_metrics_chunked(resource: Resource, metrics: Sequence[MetricData], limit_bytes: int) -> Packed:
    """The metrics in requests of at most `limit_bytes`; items are data points."""
    return packing.encode_chunked(_METRICS, resource, metrics, limit_bytes)


def encode_logs_chunked(resource: Resource, logs: Sequence[LogRecord], limit_bytes: int) -> Packed:
    """The log records in requests of at most `limit_bytes`."""
    return packing.encode_chunked(_LOGS, resource, logs, limit_bytes)


# The requests of the three signals differ in names alone: resource, blocks and items have equal tags.


def _format[T: Scoped](write: Callable[[T], bytes]) -> Format[T]:
    return Format(
        record=lambda record: delimited(b"\x12", write(record)),
        records=lambda records: [delimited(b"\x12", content) for content in map(write, records)],
        scope=keeping_last(_scope),
        block=lambda scope, records: delimited(b"\x12", b"".join((scope, *records))),
        resource=keeping_last(_resource),
        request=lambda resource, blocks: delimited(b"\x0a", b"".join((resource, *blocks))),
    )


def _scope(scope: Scope) -> bytes:
    named = text(b"\x0a", scope.name) + text(b"\x12", scope.version)
    described = delimited(b"\x0a", named + attributes(b"\x1a", scope.attributes))
    return described + text(b"\x1a", scope.schema_url)


def _resource(resource: Resource) -> bytes:
    described = delimited(b"\x0a", attributes(b"\x0a", resource.attributes))
    return described + text(b"\x1a", resource.schema_url)


_TRACES = _format(span)
_LOGS = _format(log)
_METRICS = packing.divisible(_format(metric))
