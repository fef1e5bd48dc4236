"""The telemetry engine: OpenTelemetry for an isolate without threads.

    config = TelemetryConfig.from_environ(settings)
    telemetry = Telemetry(config, clock=clock, entropy=entropy, metrics=METRICS)
    tracer = telemetry.tracer("lumigate")
    span = tracer.start_span("POST /v1/chat/completions", parent=telemetry.extract(headers), kind=SpanKind.SERVER)
    ...
    span.end()
    telemetry.after_request(host)

It implements the OpenTelemetry API, so code instrumented with that alone works on it. It imports nothing else of this
project and, beyond the standard library, `opentelemetry-api` only. It is a guest: bounded, it never raises into the
application, and counts whatever it drops.
"""

from lumigate.telemetry.config import BufferConfig, FlushConfig, TelemetryConfig
from lumigate.telemetry.destinations import Destination, Endpoint
from lumigate.telemetry.engine import Telemetry
from lumigate.telemetry.errors import ConfigurationError, MisuseError
from lumigate.telemetry.host import Background, Clock, Entropy, Host, Post, PostError, PostResult
from lumigate.telemetry.instruments import Counter, Gauge, Histogram, Instrument, UpDownCounter
from lumigate.telemetry.limits import Limits
from lumigate.telemetry.logs import Logger
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric
from lumigate.telemetry.self_metrics import SELF_ATTRIBUTES, SELF_METRICS
from lumigate.telemetry.span import RecordingSpan, Span
from lumigate.telemetry.stats import QueueStats, TelemetryStats
from lumigate.telemetry.tail import TailPolicy
from lumigate.telemetry.tracer import Parent, Tracer
from lumigate.telemetry.unsampled import UnsampledSpan

__all__ = [
    "SELF_ATTRIBUTES",
    "SELF_METRICS",
    "Attribute",
    "Background",
    "BufferConfig",
    "Clock",
    "ConfigurationError",
    "Counter",
    "Destination",
    "Endpoint",
    "Entropy",
    "FlushConfig",
    "Gauge",
    "Histogram",
    "Host",
    "Instrument",
    "InstrumentKind",
    "Limits",
    "Logger",
    "Metric",
    "MisuseError",
    "Parent",
    "Post",
    "PostError",
    "PostResult",
    "QueueStats",
    "RecordingSpan",
    "Span",
    "TailPolicy",
    "Telemetry",
    "TelemetryConfig",
    "TelemetryStats",
    "Tracer",
    "UnsampledSpan",
    "UpDownCounter",
]
