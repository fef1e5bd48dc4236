"""Spans by OpenTelemetry's API and by explicit parents."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace as api
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from lumigate.telemetry import MisuseError, RecordingSpan, UnsampledSpan
from tests.telemetry.fakes import NOON, FakeClock, make_rig


def recording(span: api.Span) -> RecordingSpan:
    assert isinstance(span, RecordingSpan)
    return span


def test_an_explicit_parent_makes_a_child_without_context_variables() -> None:
    """The current span is neither read nor changed."""
    tracer = make_rig().telemetry.tracer("test")
    root = recording(tracer.start_span("root", parent=None))
    with tracer.start_as_current_span("elsewhere"):
        child = recording(tracer.start_span("child", parent=root))
    assert (child.trace_id, child.parent_id) == (root.trace_id, root.span_id)


def test_the_current_span_is_the_parent_where_none_is_given() -> None:
    tracer = make_rig().telemetry.tracer("test")
    with tracer.start_as_current_span("root") as root:
        assert api.get_current_span() is root
        with api.use_span(tracer.start_span("middle"), end_on_exit=True) as middle:
            leaf = recording(tracer.start_span("leaf"))
    assert api.get_current_span() is api.INVALID_SPAN
    assert leaf.parent_id == middle.get_span_context().span_id
    assert leaf.trace_id == root.get_span_context().trace_id


def test_no_parent_starts_a_new_trace_even_under_a_current_span() -> None:
    tracer = make_rig().telemetry.tracer("test")
    with tracer.start_as_current_span("current") as current:
        fresh = recording(tracer.start_span("fresh", parent=None))
    assert fresh.parent_id == 0
    assert fresh.trace_id != current.get_span_context().trace_id


def test_a_span_context_and_a_context_serve_as_parents() -> None:
    """What `extract` returns, and what a queue message may carry."""
    tracer = make_rig().telemetry.tracer("test")
    remote = SpanContext(7, 8, True, TraceFlags(1))
    context = api.set_span_in_context(NonRecordingSpan(remote))
    for span in (
        recording(tracer.start_span("a", parent=remote)),
        recording(tracer.start_span("b", parent=context)),
        recording(tracer.start_span("c", context)),
    ):
        assert (span.trace_id, span.parent_id) == (7, 8)
        assert span.flags == 0x301


def test_start_as_current_span_decorates_functions_and_coroutines() -> None:
    """As the API's own: the span lasts as long as the coroutine."""
    rig = make_rig()
    tracer = rig.telemetry.tracer("test")
    seen: list[api.Span] = []

    @tracer.start_as_current_span("sync")
    def sync(value: int) -> int:
        seen.append(api.get_current_span())
        return value

    @tracer.start_as_current_span("async")
    async def coroutine() -> str:
        await asyncio.sleep(0)
        seen.append(api.get_current_span())
        return "done"

    assert (sync(3), sync(4), asyncio.run(coroutine())) == (3, 4, "done")
    assert [recording(span).name for span in seen] == ["sync", "sync", "async"]
    assert all(not span.is_recording() for span in seen)


def test_an_exception_marks_the_span_and_passes_on() -> None:
    tracer = make_rig().telemetry.tracer("test")
    with pytest.raises(ValueError, match="boom"), tracer.start_as_current_span("outer") as outer:
        raise ValueError("boom")
    with pytest.raises(ValueError, match="boom"), tracer.start_span("inner") as inner:
        raise ValueError("boom")
    with pytest.raises(ValueError, match="boom"), tracer.start_span("quiet", record_exception=False) as quiet:
        raise ValueError("boom")
    for span in (outer, inner):
        assert recording(span).status_code == 2
        assert recording(span).status_message == "ValueError: boom"
        (event,) = recording(span).events
        assert event.name == "exception"
        assert event.attributes["exception.type"] == "ValueError"
        assert "raise ValueError" in str(event.attributes["exception.stacktrace"])
    assert recording(quiet).events == ()
    assert recording(quiet).status_code == 2


def test_leaving_by_cancellation_is_not_an_error() -> None:
    """As in the API's use_span: BaseExceptions that are no Exceptions are how tasks end."""
    tracer = make_rig().telemetry.tracer("test")
    with pytest.raises(asyncio.CancelledError), tracer.start_as_current_span("s") as span:
        raise asyncio.CancelledError
    assert recording(span).status_code == 0


def test_ok_is_final_and_unset_is_ignored() -> None:
    span = recording(make_rig().telemetry.tracer("t").start_span("s"))
    span.set_status(StatusCode.ERROR, "first")
    span.set_status(StatusCode.UNSET)
    assert (span.status_code, span.status_message) == (2, "first")
    span.set_status(Status(StatusCode.OK))
    span.set_status(StatusCode.ERROR, "late")
    assert (span.status_code, span.status_message) == (1, "")


def test_events_links_and_attributes_are_limited_and_counted() -> None:
    rig = make_rig(
        {
            "OTEL_SPAN_EVENT_COUNT_LIMIT": "2",
            "OTEL_SPAN_LINK_COUNT_LIMIT": "1",
            "OTEL_ATTRIBUTE_COUNT_LIMIT": "3",
        }
    )
    link = Link(SpanContext(1, 2, True, TraceFlags(1)), {"a": 1})
    span = recording(rig.telemetry.tracer("t").start_span("s", links=[link, link], attributes={"a": 1}))
    for n in range(4):
        span.add_event(f"e{n}", {"k": n})
        span.set_attribute(f"k{n}", "v")
    span.set_attribute("a", "replaced")
    assert [event.name for event in span.events] == ["e0", "e1"]
    assert (span.dropped_events, span.dropped_links, span.dropped_attributes) == (2, 1, 2)
    assert span.attributes == {"a": "replaced", "k0": "v", "k1": "v"}
    assert span.links[0].flags == 0x301
    assert rig.telemetry.stats().attributes_dropped == 2


def test_after_its_end_a_span_changes_no_more() -> None:
    """Misuse, so it is loud under test; in production it is counted."""
    loud = recording(make_rig().telemetry.tracer("t").start_span("s"))
    loud.end()
    loud.end()
    with pytest.raises(MisuseError, match="attribute_after_end"):
        loud.set_attribute("a", 1)
    rig = make_rig(strict=False)
    span = recording(rig.telemetry.tracer("t").start_span("s", attributes={"a": 1}))
    span.end()
    span.set_attribute("a", 2)
    span.set_attributes({"b": 2})
    span.add_event("e")
    span.set_status(StatusCode.ERROR)
    span.update_name("other")
    assert (span.name, span.attributes, span.events, span.status_code) == ("s", {"a": 1}, (), 0)
    assert rig.telemetry.stats().misuse == {
        "attribute_after_end": 2,
        "event_after_end": 1,
        "status_after_end": 1,
        "name_after_end": 1,
    }


def test_odd_arguments_never_reach_the_application_as_exceptions() -> None:
    """A guest: names that are numbers, attributes that are lists, times that are text."""
    rig = make_rig(strict=False)
    tracer: Any = rig.telemetry.tracer("t")
    span = tracer.start_span(7, attributes=["not", "a", "dict"], kind="server", start_time="now")
    span.set_attributes(5)
    span.add_event(None, timestamp="later")
    span.add_link("not a context")
    span.set_status("bad")
    span.update_name(object)
    span.record_exception(RuntimeError("x"), attributes=3)
    span.end(end_time="tomorrow")
    tracer.start_span("s", links=5).end()
    assert span.kind == 1
    assert rig.telemetry.stats().spans_started >= 1


def test_a_disabled_engine_propagates_and_records_nothing() -> None:
    """OTEL_SDK_DISABLED=true."""
    rig = make_rig({"OTEL_SDK_DISABLED": "true"})
    tracer = rig.telemetry.tracer("t")
    remote = SpanContext(7, 8, True, TraceFlags(1))
    span = tracer.start_span("s", parent=remote)
    assert isinstance(span, UnsampledSpan)
    assert span.get_span_context().trace_id == 7
    assert tracer.start_span("root", parent=None).get_span_context() == api.INVALID_SPAN_CONTEXT
    assert rig.telemetry.meter_provider.get_meter("m").create_counter("c").add(1) is None
    rig.telemetry.logger("l").emit(body="x")
    rig.telemetry.after_request(rig.host)
    assert rig.telemetry.stats().spans_started == 0


def test_a_span_of_another_engine_is_a_parent_like_any_other() -> None:
    """Two engines in one process must not write into each other's traces."""
    one, two = make_rig().telemetry, make_rig().telemetry
    parent = recording(one.tracer("a").start_span("parent"))
    child = recording(two.tracer("b").start_span("child", parent=parent))
    child.end()
    assert (child.trace_id, child.parent_id) == (parent.trace_id, parent.span_id)
    assert (one.stats().spans_kept, two.stats().spans_kept) == (0, 1)


def test_contexts_of_concurrent_tasks_do_not_mix() -> None:
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")

    async def work(name: str) -> tuple[str, str]:
        with tracer.start_as_current_span(name) as span:
            await asyncio.sleep(0)
            child = recording(tracer.start_span(f"{name} child"))
            return f"{child.parent_id:x}", f"{span.get_span_context().span_id:x}"

    async def main() -> None:
        for parent, expected in await asyncio.gather(*(work(f"t{n}") for n in range(20))):
            assert parent == expected

    asyncio.run(main())
    assert context_api.get_current() == {}


def test_the_engine_asks_for_neither_time_nor_entropy_before_its_first_span() -> None:
    """It is made while modules are imported, where both fail."""

    class Forbidden:
        def random_bytes(self, count: int) -> bytes:
            raise AssertionError

    rig = make_rig(entropy=Forbidden())
    assert isinstance(rig.clock, FakeClock)
    rig.telemetry.meter_provider.get_meter("m").create_counter("c")
    rig.telemetry.tracer("t")
    assert rig.clock.reads == 0
    assert rig.clock.time_ns == NOON


def test_kind_is_written_as_the_wire_numbers_it() -> None:
    tracer = make_rig().telemetry.tracer("t")
    kinds = [recording(tracer.start_span("s", kind=kind)).kind for kind in SpanKind]
    assert kinds == [1, 2, 3, 4, 5]
