"""The official encoders and parsers, as the judge of our bytes.

`official_*` gives the tree that opentelemetry-exporter-otlp-proto-common makes of the SDK's equivalent of our
records; `read` reads our bytes with the official parser. Trees are compared by `same`.

The official encoder leaves out a few things of the protocol that ours sends (the W3C flags in `flags`, the
trace state of a link, the zero threshold); they are added to its tree here, one commented line each.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common import _log_encoder, metrics_encoder, trace_encoder
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.metrics._internal.point import Buckets
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from lumigate.telemetry.otlp import json as otlp_json
from lumigate.telemetry.otlp import protobuf as otlp_protobuf
from lumigate.telemetry.records import (
    Exemplar,
    LinkRecord,
    LogRecord,
    MetricData,
    Resource,
    Scope,
    SpanRecord,
)

FORMATS = {"json": otlp_json, "protobuf": otlp_protobuf}
REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
_HEX_FIELDS = {"traceId", "spanId", "parentSpanId"}


def read(form: str, signal: str, payload: bytes) -> Any:
    """Our payload, read by the official parser of the format."""
    message = REQUESTS[signal]()
    if form == "protobuf":
        message.ParseFromString(payload)
        return message
    return ParseDict(_with_base64_ids(json.loads(payload)), message)


def same(ours: Message, official: Message) -> bool:
    """Whether two trees are equal; by their canonical bytes, since a NaN equals nothing."""
    return ours.SerializeToString(deterministic=True) == official.SerializeToString(deterministic=True)


def _with_base64_ids(value: Any) -> Any:
    """OTLP/JSON has ids in hex, where proto3's own mapping has base64."""
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(held)).decode()
            if key in _HEX_FIELDS
            else _with_base64_ids(held)
            for key, held in value.items()
        }
    return [_with_base64_ids(held) for held in value] if isinstance(value, list) else value


def official_traces(resource: Resource, spans: Sequence[SpanRecord]) -> ExportTraceServiceRequest:
    sdk_resource = _resource(resource)
    request = trace_encoder.encode_spans([_span(sdk_resource, span) for span in spans])
    records = {(span.trace_id.to_bytes(16), span.span_id.to_bytes(8)): span for span in spans}
    for block in request.resource_spans:
        for scope in block.scope_spans:
            for message in scope.spans:
                record = records[message.trace_id, message.span_id]
                message.flags = record.flags  # it leaves out bits 0-7
                for link, held in zip(message.links, record.links, strict=True):
                    link.flags = held.flags  # here too
                    link.trace_state = held.trace_state  # it leaves this out
    return request


def official_logs(resource: Resource, logs: Sequence[LogRecord]) -> ExportLogsServiceRequest:
    sdk_resource = _resource(resource)
    return _log_encoder.encode_logs([_log(sdk_resource, log) for log in logs])


def official_metrics(resource: Resource, metrics: Sequence[MetricData]) -> ExportMetricsServiceRequest:
    scopes: dict[Scope, list[MetricData]] = {}
    for metric in metrics:
        scopes.setdefault(metric.scope, []).append(metric)
    request = metrics_encoder.encode_metrics(
        sdk.MetricsData(
            resource_metrics=[
                sdk.ResourceMetrics(
                    resource=_resource(resource),
                    schema_url=resource.schema_url,
                    scope_metrics=[
                        sdk.ScopeMetrics(
                            _scope(scope), [_metric(metric) for metric in held], scope.schema_url
                        )
                        for scope, held in scopes.items()
                    ],
                )
            ]
        )
    )
    for message_scope, held in zip(request.resource_metrics[0].scope_metrics, scopes.values(), strict=True):
        for message, metric in zip(message_scope.metrics, held, strict=True):
            if metric.kind == "exponential_histogram":
                points = zip(message.exponential_histogram.data_points, metric.points, strict=True)
                for point, record in points:
                    point.zero_threshold = record.zero_threshold  # type: ignore[union-attr] # it leaves this out
    return request


def _resource(resource: Resource) -> SdkResource:
    return SdkResource(resource.attributes, resource.schema_url or None)


def _scope(scope: Scope) -> InstrumentationScope:
    return InstrumentationScope(scope.name, scope.version, scope.schema_url, scope.attributes)


def _attributes(attributes: Mapping[str, Any], dropped: int = 0) -> BoundedAttributes:
    bounded = BoundedAttributes(immutable=False)
    bounded._dict = dict(attributes)
    bounded.dropped = dropped
    return bounded


def _bounded[T](items: Sequence[T], dropped: int) -> BoundedList[T]:
    bounded = BoundedList.from_seq(None, items)
    bounded.dropped = dropped
    return bounded


def _span(resource: SdkResource, span: SpanRecord) -> ReadableSpan:
    context = SpanContext(
        span.trace_id,
        span.span_id,
        is_remote=False,
        trace_flags=TraceFlags(span.flags & 0xFF),
        trace_state=TraceState.from_header([span.trace_state]),
    )
    parent = SpanContext(span.trace_id, span.parent_id, is_remote=bool(span.flags & 0x200))
    readable = ReadableSpan(
        span.name,
        context=context,
        parent=parent if span.parent_id else None,
        resource=resource,
        attributes=_attributes(span.attributes, span.dropped_attributes),
        events=_bounded(
            [
                Event(event.name, _attributes(event.attributes, event.dropped_attributes), event.time_ns)
                for event in span.events
            ],
            span.dropped_events,
        ),
        links=_bounded([_link(link) for link in span.links], span.dropped_links),
        kind=SpanKind(span.kind - 1),
        status=Status(StatusCode(span.status_code), span.status_message or None),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=_scope(span.scope),
    )
    # A time of 0 is a time, though the constructor takes it for none.
    readable._start_time, readable._end_time = span.start_ns, span.end_ns
    return readable


def _link(link: LinkRecord) -> Link:
    context = SpanContext(link.trace_id, link.span_id, is_remote=bool(link.flags & 0x200))
    return Link(context, _attributes(link.attributes, link.dropped_attributes))


def _log(resource: SdkResource, log: LogRecord) -> ReadableLogRecord:
    # Its overloads forbid ids and an event name together.
    make: Any = ApiLogRecord
    record = make(
        timestamp=log.time_ns,
        observed_timestamp=log.observed_ns,
        trace_id=log.trace_id,
        span_id=log.span_id,
        trace_flags=TraceFlags(log.flags),
        severity_text=log.severity_text,
        severity_number=SeverityNumber(log.severity_number),
        body=log.body,
        event_name=log.event_name,
    )
    record.attributes = _attributes(log.attributes, log.dropped_attributes)
    record.trace_flags = TraceFlags(log.flags)
    return ReadableLogRecord(record, resource, _scope(log.scope))


def _metric(metric: MetricData) -> sdk.Metric:
    points: list[Any] = [_POINTS[metric.kind](point) for point in metric.points]
    temporality = sdk.AggregationTemporality(metric.temporality)
    data: Any
    match metric.kind:
        case "sum":
            data = sdk.Sum(points, temporality, metric.monotonic)
        case "gauge":
            data = sdk.Gauge(points)
        case "histogram":
            data = sdk.Histogram(points, temporality)
        case "exponential_histogram":
            data = sdk.ExponentialHistogram(points, temporality)
    return sdk.Metric(metric.name, metric.description, metric.unit, data)


def _number_point(point: Any) -> sdk.NumberDataPoint:
    return sdk.NumberDataPoint(
        point.attributes, point.start_ns, point.time_ns, point.value, _exemplars(point.exemplars)
    )


def _histogram_point(point: Any) -> sdk.HistogramDataPoint:
    return sdk.HistogramDataPoint(
        attributes=point.attributes,
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        count=point.count,
        sum=point.sum,
        bucket_counts=point.bucket_counts,
        explicit_bounds=point.bounds,
        min=point.min,
        max=point.max,
        exemplars=_exemplars(point.exemplars),
    )


def _exponential_point(point: Any) -> sdk.ExponentialHistogramDataPoint:
    return sdk.ExponentialHistogramDataPoint(
        attributes=point.attributes,
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        count=point.count,
        sum=point.sum,
        scale=point.scale,
        zero_count=point.zero_count,
        positive=Buckets(point.positive_offset, point.positive_counts),
        negative=Buckets(point.negative_offset, point.negative_counts),
        flags=0,
        min=point.min,
        max=point.max,
        exemplars=_exemplars(point.exemplars),
    )


_POINTS = {
    "sum": _number_point,
    "gauge": _number_point,
    "histogram": _histogram_point,
    "exponential_histogram": _exponential_point,
}


def _exemplars(exemplars: Sequence[Exemplar]) -> list[SdkExemplar]:
    return [
        SdkExemplar(
            exemplar.attributes,
            exemplar.value,
            exemplar.time_ns,
            exemplar.span_id or None,
            exemplar.trace_id or None,
        )
        for exemplar in exemplars
    ]
