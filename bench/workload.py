"""What both sides do: a request to the gateway with eight spans, ten metric records, a data point, a wide event.

The code that is instrumented is written once, against OpenTelemetry's API, and run by both. Of a span's eight
attributes four repeat from request to request, as models and routes do, and four do not: ids, sizes, token counts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Span, SpanKind, Tracer

from lumigate.telemetry.schema import Attribute, EventField, InstrumentKind, Metric, PointColumn

_NAMES = (
    "POST /v1/chat/completions",
    "auth.check",
    "ratelimit.check",
    "cache.lookup",
    "cache.lookup.l1",
    "llm.route",
    "chat gpt-4o-mini",
    "cache.store",
)
_MODELS = ("gpt-4o-mini", "claude-sonnet-4", "command-r", "mistral-small")
_random = random.Random(20260808)

type Attributes = dict[str, Any]
type Recorder = Callable[[float, Attributes], object]

_ATTRIBUTES = (
    Attribute(key="http.route", description="The route."),
    Attribute(key="http.response.status_code", description="The status.", type=int),
    Attribute(key="gen_ai.request.model", description="The model."),
)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


def _metric(name: str, kind: InstrumentKind) -> Metric:
    buckets = _BUCKETS if kind is InstrumentKind.HISTOGRAM else ()
    return Metric(
        name=name, unit="s", kind=kind, description="For measuring.", attributes=_ATTRIBUTES, buckets=buckets
    )


METRICS = (
    *(_metric(f"bench.duration.{number}", InstrumentKind.HISTOGRAM) for number in range(4)),
    *(_metric(f"bench.count.{number}", InstrumentKind.COUNTER) for number in range(6)),
)
"""Of a request's ten measurements four are durations."""


def span_attributes() -> Attributes:
    """Eight attributes: five texts, two integers, a flag."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": _random.choice(_MODELS),
        "server.address": "api.openai.com",
        "gen_ai.response.id": f"chatcmpl-{_random.getrandbits(96):024x}",
        "gen_ai.usage.input_tokens": _random.randrange(8_000),
        "gen_ai.usage.output_tokens": _random.randrange(2_000),
        "lumigate.fallback": _random.random() < 0.1,
    }


def metric_attributes() -> Attributes:
    """Three attributes of a declared metric, with few values each."""
    return {
        "http.route": "/v1/chat/completions",
        "http.response.status_code": _random.choice((200, 200, 200, 429)),
        "gen_ai.request.model": _random.choice(_MODELS),
    }


def measurement() -> tuple[float, Attributes]:
    """What a histogram records."""
    return _random.expovariate(1.0), metric_attributes()


def wide_event() -> Attributes:
    """The one line a request leaves on the console, and its log record."""
    return {
        "event": "request",
        "level": "info",
        "request_id": f"{_random.getrandbits(128):032x}",
        "trace_id": f"{_random.getrandbits(128):032x}",
        "route": "/v1/chat/completions",
        "status": 200,
        "tenant": f"tenant-{_random.randrange(50)}",
        "model": _random.choice(_MODELS),
        "provider": "openai",
        "cache": "miss",
        "attempts": 1,
        "input_tokens": _random.randrange(8_000),
        "output_tokens": _random.randrange(2_000),
        "cost_usd": round(_random.random(), 6),
        "duration_ms": _random.randrange(5_000),
        "outcome": "complete",
    }


SUMMARY = "POST /v1/chat/completions 200 complete"
"""The body of the log record."""
EVENT_FIELDS = tuple(EventField(name=name, description="For measuring.") for name in wide_event())
POINT_COLUMNS = tuple(
    PointColumn(column=column, name=name, description="For measuring.")
    for column, name in {
        "index1": "tenant",
        "blob1": "route",
        "blob2": "model",
        "blob3": "provider",
        "blob4": "cache",
        "blob5": "outcome",
        "blob6": "trace_id",
        "double1": "duration_ms",
        "double2": "input_tokens",
        "double3": "output_tokens",
        "double4": "cost_usd",
        "double5": "attempts",
        "double6": "status",
    }.items()
)


@dataclass(slots=True)
class Request:
    """One request to the gateway, as its telemetry sees it."""

    spans: list[Attributes] = field(default_factory=lambda: [span_attributes() for _ in _NAMES])
    metrics: list[tuple[float, Attributes]] = field(default_factory=lambda: [measurement() for _ in METRICS])
    event: Attributes = field(default_factory=wide_event)


def requests(count: int) -> list[Request]:
    """Fresh requests, no two with the same ids and counts."""
    return [Request() for _ in range(count)]


def trace_request(tracer: Tracer, request: Request) -> Span:
    """A server span, which is returned, and seven below it, started and ended in turn."""
    attributes = request.spans
    with tracer.start_as_current_span(_NAMES[0], kind=SpanKind.SERVER, attributes=attributes[0]) as root:
        for name, given in zip(_NAMES[1:], attributes[1:], strict=True):
            tracer.start_span(name, kind=SpanKind.CLIENT, attributes=given).end()
    return root


def recorders(make: Callable[[Metric], Any]) -> list[Recorder]:
    """What takes the measurements of each of a side's instruments."""
    made = [(metric.kind, make(metric)) for metric in METRICS]
    return [one.record if kind is InstrumentKind.HISTOGRAM else one.add for kind, one in made]


def record_metrics(recorders: Sequence[Recorder], request: Request) -> None:
    """Ten measurements on ten instruments."""
    for record, (amount, attributes) in zip(recorders, request.metrics, strict=True):
        record(amount, attributes)
