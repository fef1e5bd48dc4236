"""What Workers have today: OpenTelemetry's SDK with its official encoders, set up as cheaply as it allows.

An explicit resource and no thread, since Workers have none: SimpleSpanProcessor, into a list, so that no export is
charged to it. The JSON encoder is a package of its own, in no other use here: it is
installed on demand (`bench/wheels.py`), hence the late imports.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, set_span_in_context

from bench.workload import SUMMARY, Attributes
from lumigate.telemetry.schema import InstrumentKind, Metric

RESOURCE = {
    "service.name": "lumigate",
    "service.version": "0.1.0",
    "cloud.provider": "cloudflare",
    "cloud.platform": "cloudflare_workers",
    "cloud.region": "AMS",
}

_SDK = {
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": "1",
}
"""`Resource.create()` would add these, with a thread."""


class Sdk:
    """The SDK and its encoders."""

    def __init__(self) -> None:
        resource = Resource(RESOURCE | _SDK)
        self._finished = InMemorySpanExporter()
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._finished))
        self.tracer = provider.get_tracer("bench", "1.0.0")
        logs, export = _logs()
        self._logged: Any = export.InMemoryLogRecordExporter()
        records = logs.LoggerProvider(resource=resource, shutdown_on_exit=False)
        records.add_log_record_processor(export.SimpleLogRecordProcessor(self._logged))
        self._logger: Logger = records.get_logger("bench", "1.0.0")
        self._reader = InMemoryMetricReader()
        self._meter = MeterProvider([self._reader], resource, shutdown_on_exit=False).get_meter(
            "bench", "1.0.0"
        )

    def instrument(self, metric: Metric) -> Any:
        """The SDK's instrument of the same name, kind and buckets."""
        if metric.kind is InstrumentKind.HISTOGRAM:
            return self._meter.create_histogram(
                metric.name,
                metric.unit,
                metric.description,
                explicit_bucket_boundaries_advisory=metric.buckets,
            )
        return self._meter.create_counter(metric.name, metric.unit, metric.description)

    def take_spans(self) -> Sequence[ReadableSpan]:
        """The spans that ended since the last call."""
        spans = self._finished.get_finished_spans()
        self._finished.clear()
        return spans

    def spans_as_json(self) -> bytes:
        """OTLP/JSON by the official encoder: what its HTTP exporter sends."""
        encode: Any = import_module("opentelemetry.exporter.otlp.json.common.trace_encoder").encode_spans
        return _json_bytes(encode(self.take_spans()))

    def spans_as_protobuf(self) -> bytes:
        """OTLP/protobuf by the official encoder: what its HTTP exporter sends."""
        encode: Any = import_module("opentelemetry.exporter.otlp.proto.common.trace_encoder").encode_spans
        encoded: bytes = encode(self.take_spans()).SerializeToString()
        return encoded

    def metrics_as_json(self) -> bytes:
        """A collection of all metrics in OTLP/JSON by the official encoder."""
        encode: Any = import_module("opentelemetry.exporter.otlp.json.common.metrics_encoder").encode_metrics
        return _json_bytes(encode(self._reader.get_metrics_data()))

    def log_event(self, values: Attributes, span: Span) -> None:
        """The wide event as a log record, as an application would emit it."""
        self._logger.emit(
            timestamp=time.time_ns(),
            context=set_span_in_context(span),
            severity_number=SeverityNumber.INFO,
            severity_text=values["level"],
            body=SUMMARY,
            attributes={name: value for name, value in values.items() if name != "trace_id"},
            event_name="lumigate.request",
        )

    def logs_as_json(self) -> bytes:
        """OTLP/JSON by the official encoder: what its HTTP exporter sends."""
        encode: Any = import_module("opentelemetry.exporter.otlp.json.common._log_encoder").encode_logs
        records = self._logged.get_finished_logs()
        self._logged.clear()
        return _json_bytes(encode(records))

    def write_point_and_event(self, values: Attributes) -> tuple[dict[str, Any], str]:
        """The plainest code there is: the SDK has nothing of the kind."""
        point = {
            "indexes": [values["tenant"]],
            "blobs": [
                values[name] for name in ("route", "model", "provider", "cache", "outcome", "trace_id")
            ],
            "doubles": [
                float(values[name])
                for name in (
                    "duration_ms",
                    "input_tokens",
                    "output_tokens",
                    "cost_usd",
                    "attempts",
                    "status",
                )
            ],
        }
        return point, json.dumps(values)


def _logs() -> tuple[Any, Any]:
    """The SDK's logs. On Workers they cannot be imported: a default value starts a thread. Here it does not."""
    create = Resource.create
    Resource.create = staticmethod(lambda attributes=None, schema_url=None: Resource(attributes or {}))  # type: ignore[method-assign]
    try:
        return import_module("opentelemetry.sdk._logs"), import_module("opentelemetry.sdk._logs.export")
    finally:
        Resource.create = create  # type: ignore[method-assign]


def _json_bytes(message: Any) -> bytes:
    text: str = message.to_json()
    return text.encode()
