"""What both sides do: a request to the gateway with eight spans, ten metric records, a data point, a wide event.

The code that is instrumented is written once, against OpenTelemetry's API, and run by both. Of a span's eight
attributes four repeat from request to request, as models and routes do, and four do not: ids, sizes, token counts.
"""

from __future__ import annotations

import random
from typing import Any

from opentelemetry.trace import SpanKind, Tracer

SPANS_PER_REQUEST = 8
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


def wide_event() -> Attributes:
    """The one line a request leaves on the console."""
    return {
        "event": "request",
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


def requests(count: int) -> list[list[Attributes]]:
    """The attributes of the spans of `count` requests."""
    return [[span_attributes() for _ in range(SPANS_PER_REQUEST)] for _ in range(count)]


def trace_request(tracer: Tracer, attributes: list[Attributes]) -> None:
    """A server span and seven below it, started and ended in turn."""
    with tracer.start_as_current_span(_NAMES[0], kind=SpanKind.SERVER, attributes=attributes[0]):
        for name, given in zip(_NAMES[1:], attributes[1:], strict=True):
            tracer.start_span(name, kind=SpanKind.CLIENT, attributes=given).end()
