"""What is made for OpenTelemetry's SDK plugs in: processors, exporters, id generators, and the official encoder."""

from __future__ import annotations

import io
import json
from typing import Any

from opentelemetry import baggage
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

from lumigate.telemetry.otlp import protobuf
from tests.telemetry.fakes import Rig, make_rig
from tests.telemetry.otlp import oracle


def one_trace(rig: Rig) -> None:
    tracer = rig.telemetry.tracer("scope", "1.2")
    link = Link(SpanContext(1, 2, True, TraceFlags(1), TraceState([("a", "b")])), {"l": 1})
    remote = SpanContext(0xAB << 100, 9, True, TraceFlags(1), TraceState([("v", "1")]))
    root = tracer.start_span(
        "root", parent=remote, kind=SpanKind.SERVER, attributes={"a": 1, "b": ["x"]}, links=[link]
    )
    child = tracer.start_span("child", parent=root, kind=SpanKind.CLIENT)
    child.add_event("event", {"e": True})
    child.set_status(StatusCode.ERROR, "why")
    child.end()
    root.end()


def test_the_sdks_simple_processor_and_memory_exporter_see_our_spans() -> None:
    exporter = InMemorySpanExporter()
    rig = make_rig(resource={"service.version": "9"})
    rig.telemetry.tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    one_trace(rig)
    child, root = exporter.get_finished_spans()
    assert (child.name, root.name) == ("child", "root")
    assert child.parent == root.get_span_context()
    assert root.parent is not None
    assert root.parent.is_remote
    assert dict(root.attributes or {}) == {"a": 1, "b": ["x"]}
    assert child.status.status_code is StatusCode.ERROR
    assert child.status.description == "why"
    assert child.events[0].attributes == {"e": True}
    assert (root.links[0].context.span_id, root.links[0].attributes) == (2, {"l": 1})
    assert (root.kind, child.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert root.instrumentation_scope is not None
    assert (root.instrumentation_scope.name, root.instrumentation_scope.version) == ("scope", "1.2")
    assert root.resource.attributes["service.version"] == "9"
    assert root.start_time is not None
    assert root.end_time is not None
    assert root.start_time < root.end_time
    assert rig.telemetry.tracer_provider.force_flush()
    rig.telemetry.tracer_provider.shutdown()


def test_the_console_exporter_prints_our_spans() -> None:
    out = io.StringIO()
    rig = make_rig(span_processors=[SimpleSpanProcessor(ConsoleSpanExporter(out=out))])
    one_trace(rig)
    text = out.getvalue()
    first, _ = json.JSONDecoder().raw_decode(text)
    assert first["name"] == "child"
    assert first["status"] == {"status_code": "ERROR", "description": "why"}
    assert first["context"]["trace_state"] == "['{key=v, value=1}']"
    assert first["start_time"].endswith("Z")
    assert first["events"][0]["name"] == "event"


def test_the_official_encoder_and_ours_say_the_same() -> None:
    """The official encoder reads our spans through the SDK's view; ours writes the records. The messages agree."""
    exporter = InMemorySpanExporter()
    rig = make_rig(span_processors=[SimpleSpanProcessor(exporter)])
    one_trace(rig)
    official = encode_spans(exporter.get_finished_spans())
    entry = rig.telemetry._queues["traces"][0].take(0, 1, exclusive=True)
    assert entry is not None
    ours = oracle.read("protobuf", "traces", protobuf.encode_traces(rig.telemetry.resource, entry.records()))

    def normal(request: Any) -> dict[bytes, Any]:
        spans = {span.span_id: span for span in request.resource_spans[0].scope_spans[0].spans}
        for span in spans.values():
            # the official encoder leaves out the W3C flags and the links' tracestate
            span.flags &= 0x300
            for link in span.links:
                link.flags &= 0x300
                link.trace_state = ""
        return spans

    assert normal(ours) == normal(official)
    assert ours.resource_spans[0].resource == official.resource_spans[0].resource


class FromBaggage(SpanProcessor):
    """As opentelemetry-processor-baggage: copies baggage to attributes when a span starts."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        for key, value in baggage.get_all(parent_context).items():
            span.set_attribute(key, value)


async def test_a_processor_may_add_attributes_at_the_start() -> None:
    rig = make_rig(span_processors=[FromBaggage()])
    context = rig.telemetry.extract({"baggage": "tenant=acme"})
    rig.telemetry.tracer("t").start_span("s", context).end()
    (span,) = await rig.exported_spans()
    assert span["attributes"] == [{"key": "tenant", "value": {"stringValue": "acme"}}]


class Failing(SpanProcessor):
    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError

    def on_end(self, span: Any) -> None:
        raise RuntimeError


async def test_a_failing_processor_costs_nothing_but_a_count() -> None:
    rig = make_rig(strict=False, span_processors=[Failing()])
    one_trace(rig)
    assert rig.telemetry.stats().errors == {"span_processor": 4}
    assert len(await rig.exported_spans()) == 2


class Counting(IdGenerator):
    def __init__(self) -> None:
        self.last = 0

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last

    def generate_trace_id(self) -> int:
        return 77


def test_an_sdk_id_generator_is_used_and_claims_no_randomness_it_does_not_have() -> None:
    span = make_rig(id_generator=Counting()).telemetry.tracer("t").start_span("s")
    context = span.get_span_context()
    assert (context.trace_id, context.span_id, int(context.trace_flags)) == (77, 1, 1)
    ours = make_rig().telemetry.tracer("t").start_span("s")
    assert int(ours.get_span_context().trace_flags) == 3
