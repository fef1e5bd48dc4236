"""OTLP in JSON: records in, requests out, as bytes to POST with `content-type: application/json`.

The rules are https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids in hex, integers of 64
bits as decimal strings, enums as integers, everything else as proto3's JSON mapping. The text is put together
from f-strings: in wasm that is an order of magnitude cheaper than building dicts for `json.dumps`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lumigate.telemetry.otlp import packing
from lumigate.telemetry.otlp.anyvalue import to_utf8
from lumigate.telemetry.otlp.json_logs import log
from lumigate.telemetry.otlp.json_metrics import metric
from lumigate.telemetry.otlp.json_traces import span
from lumigate.telemetry.otlp.json_values import attribute_list, attributes, quote
from lumigate.telemetry.otlp.packing import Format, Packed, Scoped, keeping_last
from lumigate.telemetry.records import LogRecord, MetricData, Resource, Scope, SpanRecord

CONTENT_TYPE = "application/json"


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


def _format[T: Scoped](write: Callable[[T], str], signal: str, records: str) -> Format[T]:
    """The format of a signal, whose fields are named `resource{signal}`, `scope{signal}` and `records`."""

    def record(item: T) -> bytes:
        return to_utf8(write(item))

    def together(items: list[T]) -> list[bytes]:
        return [to_utf8(",".join(map(write, items)))]

    def scope(scope: Scope) -> bytes:
        version = f',"version":{quote(scope.version)}' if scope.version else ""
        described = f'{{"name":{quote(scope.name)}{version}{attribute_list(scope.attributes)}}}'
        return to_utf8(f'{{"scope":{described}{_schema(scope)},"{records}":[')

    def resource(resource: Resource) -> bytes:
        described = f'{{"attributes":[{attributes(resource.attributes)}]}}'
        return to_utf8(f'{{"resource{signal}":[{{"resource":{described}{_schema(resource)},"scope{signal}":[')

    return Format(
        record=record,
        records=together,
        scope=keeping_last(scope),
        block=_block,
        resource=keeping_last(resource),
        request=_request,
    )


def _schema(of: Scope | Resource) -> str:
    return f',"schemaUrl":{quote(of.schema_url)}' if of.schema_url else ""


def _block(scope: bytes, records: list[bytes]) -> bytes:
    return b"%b%b]}" % (scope, b",".join(records))


def _request(resource: bytes, blocks: list[bytes]) -> bytes:
    return b"%b%b]}]}" % (resource, b",".join(blocks))


_TRACES = _format(span, "Spans", "spans")
_LOGS = _format(log, "Logs", "logRecords")
_METRICS = packing.divisible(_format(metric, "Metrics", "metrics"))
