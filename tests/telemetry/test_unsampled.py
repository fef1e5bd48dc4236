"""A trace that the head declined costs next to nothing, and still shows the requests that hurt."""

from __future__ import annotations

import random
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags, TraceState

from lumigate.telemetry import UnsampledSpan
from lumigate.telemetry.pipeline import MAX_LIVE_TRACES
from lumigate.telemetry.self_metrics import SAMPLING_PROBABILITY, SAMPLING_REASON
from tests.telemetry.fakes import Rig, make_rig


class Dice:
    """Entropy that is random and the same in every run."""

    def __init__(self) -> None:
        self.random_bytes = random.Random(7).randbytes


CALLER = SpanContext(0xABC << 60 | 5, 8, True, TraceFlags(0), TraceState([("ot", "th:c"), ("vendor", "x")]))


def values(span: dict[str, Any]) -> dict[str, Any]:
    return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


async def shown(rig: Rig) -> list[dict[str, Any]]:
    return await rig.exported_spans()


async def test_an_ordinary_request_is_not_exported_and_counted_as_unsampled() -> None:
    rig = make_rig()
    root = rig.telemetry.tracer("t").start_span("root", parent=CALLER)
    child = rig.telemetry.tracer("t").start_span("child", parent=root)
    child.end()
    root.end()
    assert await shown(rig) == []
    stats = rig.telemetry.stats()
    assert (stats.spans_unsampled, stats.spans_sampled_out, stats.spans_live, stats.traces_live) == (
        1,
        0,
        0,
        0,
    )


async def test_a_failed_request_is_shown_by_its_root_with_the_exception() -> None:
    """The error happened three levels down; what is below the root was not recorded."""
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    with (
        pytest.raises(ZeroDivisionError),
        tracer.start_as_current_span("root", parent=CALLER, attributes={"http.route": "/r"}),
        tracer.start_as_current_span("child"),
        tracer.start_as_current_span("grandchild"),
    ):
        _ = 1 / 0
    (span,) = await shown(rig)
    assert span["name"] == "root"
    assert span["status"]["code"] == 2
    assert values(span) == {"http.route": "/r", SAMPLING_REASON: "error", SAMPLING_PROBABILITY: 1.0}
    assert {event["name"] for event in span["events"]} == {"exception"}
    assert span["traceState"] == "ot=th:0,vendor=x"
    assert rig.telemetry.stats().traces_kept == {"error": 1}


async def test_a_child_tells_of_its_status_and_of_a_fallback() -> None:
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    for what in ("error", "fallback"):
        root = tracer.start_span(what, parent=CALLER)
        child = tracer.start_span("child", parent=root)
        grandchild = tracer.start_span("grandchild", parent=child)
        if what == "error":
            grandchild.set_status(StatusCode.ERROR)
        else:
            grandchild.keep("fallback")
        root.end()
        assert root.kept
    assert [values(span)[SAMPLING_REASON] for span in await shown(rig)] == ["error", "fallback"]


async def test_a_slow_request_is_shown() -> None:
    rig = make_rig({"LUMIGATE_TRACES_SLOW_MS": "500"})
    for seconds in (0.4, 0.6):
        root = rig.telemetry.tracer("t").start_span("root", parent=CALLER)
        rig.clock.advance(seconds)
        root.end()
    assert [values(span)[SAMPLING_REASON] for span in await shown(rig)] == ["slow"]


def test_the_decision_of_the_caller_is_passed_on_unchanged() -> None:
    rig = make_rig()
    root = rig.telemetry.tracer("t").start_span("root", parent=CALLER)
    child = rig.telemetry.tracer("t").start_span("child", parent=root)
    for span in (root, child):
        headers: dict[str, str] = {}
        rig.telemetry.inject(span, headers)
        assert headers["traceparent"].endswith("-00")
        assert headers["tracestate"] == "ot=th:c,vendor=x"


def test_all_spans_below_the_root_are_one_object_also_after_its_end() -> None:
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=CALLER)
    child = tracer.start_span("a", parent=root)
    assert type(child) is UnsampledSpan
    assert tracer.start_span("b", parent=child) is child
    root.end()
    assert tracer.start_span("late", parent=root) is child
    child.set_status(StatusCode.ERROR)
    child.record_exception(ValueError("too late"))
    assert (rig.telemetry.stats().spans_kept, rig.telemetry.stats().spans_live) == (0, 0)


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off"])
def test_where_the_operator_says_never_nothing_is_watched(sampler: str) -> None:
    rig = make_rig({"OTEL_TRACES_SAMPLER": sampler})
    root = rig.telemetry.tracer("t").start_span("root", parent=CALLER)
    root.set_status(StatusCode.ERROR)
    root.end()
    assert isinstance(root, UnsampledSpan)
    assert rig.telemetry.stats().spans_kept == 0


async def test_with_a_ratio_the_roots_of_failed_requests_add_up_to_all_of_them() -> None:
    """The root of a failed request stands for itself, sampled or not; the spans below it for 1/ratio."""
    settings = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    rig = make_rig(settings, entropy=Dice())
    tracer = rig.telemetry.tracer("t")
    for _ in range(400):
        root = tracer.start_span("root", parent=None)
        tracer.start_span("child", parent=root).end()
        root.set_status(StatusCode.ERROR)
        root.end()
    spans = await shown(rig)
    roots = [span for span in spans if span["name"] == "root"]
    assert len(roots) == 400
    assert {values(root)[SAMPLING_PROBABILITY] for root in roots} == {1.0}
    assert {root["traceState"] for root in roots} == {"ot=th:0"}
    children = [span for span in spans if span["name"] == "child"]
    assert 60 < len(children) < 140
    assert {child["traceState"] for child in children} == {"ot=th:c"}


def test_a_request_that_never_ends_holds_nothing_unless_it_failed() -> None:
    """Nobody else knows of it, so it goes with its last reference; a failed one is swept as any other trace."""
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    for n in range(MAX_LIVE_TRACES + 10):
        tracer.start_span("root", parent=CALLER)
        if n % 2:
            tracer.start_span("root", parent=CALLER).record_exception(ValueError())
    assert rig.telemetry.stats().traces_live == (MAX_LIVE_TRACES + 10) // 2
    rig.clock.advance(3600)
    rig.telemetry._pipeline.sweep(rig.clock.time_ns)
    stats = rig.telemetry.stats()
    assert (stats.traces_live, stats.traces_kept) == (0, {"error": (MAX_LIVE_TRACES + 10) // 2})


async def test_what_was_set_before_the_error_is_shown_too_and_made_clean() -> None:
    rig = make_rig({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "3"})
    root = rig.telemetry.tracer("t").start_span(
        "root", parent=CALLER, attributes={"a": "\ud800", "odd": object()}
    )
    root.set_attributes({"b": 1})
    root.set_attribute("c", 2)
    root.add_event("not yet recorded")
    root.update_name("renamed")
    root.set_status(StatusCode.ERROR, "no")
    root.set_attribute("d", 3)
    root.add_event("recorded")
    root.end()
    root.end()
    (span,) = await shown(rig)
    assert span["name"] == "renamed"
    assert span["status"] == {"message": "no", "code": 2}
    assert values(span)["a"] == "\ufffd"
    assert [event["name"] for event in span["events"]] == ["recorded"]
    assert rig.telemetry.stats().attributes_dropped == 1


def test_no_use_of_a_watched_root_raises_or_misses_its_end() -> None:
    rig = make_rig(strict=False)
    root = rig.telemetry.tracer("t").start_span("root", parent=CALLER, attributes=7)  # type: ignore[arg-type]
    root.set_attributes(None)  # type: ignore[arg-type]
    root.set_attribute([], 1)  # type: ignore[arg-type]
    root.add_link(CALLER)
    root.end()
    root.keep("late")
    root.set_status(StatusCode.ERROR)
    root.record_exception(ValueError())
    root.set_attribute("late", 1)
    assert not root.is_recording()
    assert (rig.telemetry.stats().spans_unsampled, rig.telemetry.stats().spans_live) == (1, 0)
