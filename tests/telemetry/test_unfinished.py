"""A span that is never ended leaks nothing, and is not lost either."""

from __future__ import annotations

from lumigate.telemetry import pipeline
from lumigate.telemetry.self_metrics import SELF_ATTRIBUTES, UNFINISHED
from tests.telemetry.fakes import make_rig


async def test_a_trace_whose_root_never_ended_is_closed_by_a_later_request() -> None:
    """It arrives as an error, cut at the last moment it was seen alive, and says so."""
    rig = make_rig({"LUMIGATE_TRACES_SHARE": "0"})
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    rig.clock.advance(3)
    tracer.start_span("done", parent=root).end()
    tracer.start_span("hanging", parent=root)
    rig.clock.advance(3600)
    rig.telemetry.after_request(rig.host)
    await rig.background.settle()
    spans = {span["name"]: span for span in rig.post.of("traces")[0].spans()}
    assert set(spans) == {"root", "done", "hanging"}
    assert spans["root"]["status"]["code"] == 2
    assert UNFINISHED in {attribute["key"] for attribute in spans["hanging"]["attributes"]}
    lasted = int(spans["root"]["endTimeUnixNano"]) - int(spans["root"]["startTimeUnixNano"])
    assert 3_000_000_000 <= lasted < 3_100_000_000
    stats = rig.telemetry.stats()
    assert (stats.traces_unfinished, stats.traces_live, stats.spans_live) == (1, 0, 0)
    root.end()


def test_traces_in_progress_are_bounded() -> None:
    """The oldest is closed to make room."""
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    for _ in range(pipeline.MAX_LIVE_TRACES + 100):
        tracer.start_span("root", parent=None)
    stats = rig.telemetry.stats()
    assert stats.traces_live == pipeline.MAX_LIVE_TRACES
    assert stats.traces_unfinished == 100
    assert stats.spans_live == pipeline.MAX_LIVE_TRACES


def test_a_runaway_trace_is_bounded_and_counted() -> None:
    rig = make_rig({"OTEL_BSP_MAX_QUEUE_SIZE": "9999"})
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    children = [tracer.start_span("child", parent=root) for _ in range(5000)]
    assert children[-1].get_span_context().span_id == root.get_span_context().span_id
    for child in children:
        child.end()
    root.end()
    stats = rig.telemetry.stats()
    assert stats.spans_kept == pipeline.MAX_SPANS_PER_TRACE
    assert stats.dropped == {("traces", "span_limit"): 5001 - pipeline.MAX_SPANS_PER_TRACE}


def test_memory_of_traces_in_progress_is_bounded() -> None:
    """Huge attributes are let go, and counted, before the isolate is full."""
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    for _ in range(100):
        big = {f"k{n}": "x" * 8192 for n in range(100)}
        tracer.start_span("big", parent=root, attributes=big).end()
    assert rig.telemetry._pipeline.live_bytes <= pipeline.MAX_LIVE_BYTES
    assert rig.telemetry.stats().attributes_dropped > 0
    root.end()
    assert rig.telemetry._pipeline.live_bytes == 0


async def test_whatever_the_engine_writes_on_a_span_is_declared() -> None:
    """A late child, a span never ended, and a sampled trace: the catalog includes `SELF_ATTRIBUTES`."""
    rig = make_rig({"LUMIGATE_TRACES_SHARE": "0.5"})
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    root.keep("fallback")
    late = tracer.start_span("late", parent=root)
    root.end()
    rig.clock.advance(1)
    late.end()
    tracer.start_span("hanging", parent=None)
    rig.clock.advance(3600)
    spans = await rig.exported_spans()
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue", bool: "boolValue"}
    declared = {attribute.key: kinds[attribute.type] for attribute in SELF_ATTRIBUTES}
    written = {a["key"]: next(iter(a["value"])) for span in spans for a in span["attributes"]}
    assert written == declared
