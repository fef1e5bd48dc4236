"""The decisions at the head and at the end of a trace, and the probability they leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags, TraceState

from lumigate.telemetry import RecordingSpan, UnsampledSpan
from lumigate.telemetry.consistent import (
    probability_of,
    randomness_of,
    threshold_in,
    threshold_of,
    with_threshold,
)
from lumigate.telemetry.self_metrics import SAMPLING_PROBABILITY, SAMPLING_REASON
from tests.telemetry.fakes import Rig, make_rig

CALLER_SAMPLED = SpanContext(0xABC << 60 | 5, 8, True, TraceFlags(1))
CALLER_UNSAMPLED = SpanContext(0xABC << 60 | 5, 8, True, TraceFlags(0))


def run(rig: Rig, count: int = 1, *, ms: float = 0.0, route: str = "/") -> None:
    for _ in range(count):
        span = rig.telemetry.tracer("t").start_span("root", parent=None, attributes={"http.route": route})
        rig.clock.advance(ms / 1000)
        span.end()


@pytest.mark.parametrize(
    ("sampler", "parent", "sampled"),
    [
        ("always_on", CALLER_UNSAMPLED, True),
        ("always_off", CALLER_SAMPLED, False),
        ("parentbased_always_on", None, True),
        ("parentbased_always_on", CALLER_UNSAMPLED, False),
        ("parentbased_always_off", None, False),
        ("parentbased_always_off", CALLER_SAMPLED, True),
        ("parentbased_traceidratio", CALLER_SAMPLED, True),
        ("parentbased_traceidratio", CALLER_UNSAMPLED, False),
    ],
)
def test_the_head_sampler_follows_its_name(sampler: str, parent: SpanContext | None, sampled: bool) -> None:
    rig = make_rig({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0"})
    span = rig.telemetry.tracer("t").start_span("s", parent=parent)
    assert span.get_span_context().trace_flags.sampled is sampled


def test_a_ratio_keeps_its_share_and_writes_its_threshold() -> None:
    rig = make_rig({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"})
    tracer = rig.telemetry.tracer("t")
    spans = [tracer.start_span("s", parent=None) for _ in range(2000)]
    kept = [span for span in spans if isinstance(span, RecordingSpan)]
    assert 400 < len(kept) < 600
    assert {span.trace_state for span in kept} == {"ot=th:c"}
    for span in kept:
        assert randomness_of(span.trace_id, "") >= threshold_of(0.25)


def test_children_of_an_unsampled_root_cost_no_object() -> None:
    """The child is the root: same context, nothing recorded, nothing to end."""
    rig = make_rig({"OTEL_TRACES_SAMPLER": "always_off"})
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    assert isinstance(root, UnsampledSpan)
    child = tracer.start_span("child", parent=root)
    assert child is root
    child.set_attribute("a", 1)
    child.keep("fallback")
    child.end()
    assert root.get_span_context().is_valid
    assert (rig.telemetry.stats().spans_unsampled, rig.telemetry.stats().spans_started) == (1, 0)


async def test_everything_is_kept_and_unmarked_by_default() -> None:
    rig = make_rig()
    run(rig, 3)
    spans = await rig.exported_spans()
    assert len(spans) == 3
    assert all(len(span["attributes"]) == 1 and "traceState" not in span for span in spans)


async def test_the_share_is_kept_by_trace_id_and_counts_can_be_restored() -> None:
    """A span kept by share stands for 1/share; errors, the slow and the marked stand for themselves."""
    rig = make_rig(
        {
            "LUMIGATE_TRACES_SHARE": "0.25",
            "LUMIGATE_TRACES_SLOW_MS": "1000",
            "OTEL_BSP_MAX_QUEUE_SIZE": "9999",
        }
    )
    run(rig, 2000)
    run(rig, 5, ms=1500)
    restored = 0.0
    reasons: dict[str, int] = {}
    for span in await rig.exported_spans():
        values = {a["key"]: a["value"] for a in span["attributes"]}
        reason = values[SAMPLING_REASON]["stringValue"]
        reasons[reason] = reasons.get(reason, 0) + 1
        probability = values[SAMPLING_PROBABILITY]["doubleValue"]
        threshold = threshold_in(span["traceState"])
        assert threshold is not None
        assert probability_of(threshold) == probability
        restored += 1 / probability
    assert reasons["slow"] == 5
    assert 1700 < restored < 2300
    stats = rig.telemetry.stats()
    assert stats.spans_kept + stats.spans_sampled_out == 2005


def test_errors_fallbacks_and_the_callers_flag_are_kept_whatever_the_share() -> None:
    rig = make_rig({"LUMIGATE_TRACES_SHARE": "0"})
    tracer = rig.telemetry.tracer("t")
    run(rig)
    root = tracer.start_span("root", parent=None)
    failing = tracer.start_span("attempt", parent=root)
    failing.set_status(StatusCode.ERROR)
    failing.end()
    root.end()
    fallback = tracer.start_span("root", parent=None)
    fallback.keep("fallback")
    fallback.keep("second")
    fallback.end()
    asked = tracer.start_span("root", parent=CALLER_SAMPLED)
    asked.end()
    assert rig.telemetry.stats().traces_kept == {"error": 1, "fallback": 1, "caller": 1}
    assert (root.kept, fallback.kept, asked.kept) == (True, True, True)


def test_a_caller_cannot_force_a_trace_where_the_operator_says_so() -> None:
    rig = make_rig({"LUMIGATE_TRACES_SHARE": "0", "LUMIGATE_TRACES_HONOUR_CALLER": "false"})
    span = rig.telemetry.tracer("t").start_span("root", parent=CALLER_SAMPLED)
    span.end()
    assert not span.kept


def test_the_callers_probability_is_passed_on() -> None:
    """A caller that sampled one in four stands for four, also when we keep all of its traces."""
    rig = make_rig({"LUMIGATE_TRACES_SHARE": "0.5"})
    state = TraceState([("vendor", "x"), ("ot", "th:c;rv:fffffffffffffe")])
    caller = SpanContext(1, 2, True, TraceFlags(1), state)
    span = rig.telemetry.tracer("t").start_span("root", parent=caller)
    span.end()
    assert isinstance(span, RecordingSpan)
    assert span.attributes == {SAMPLING_REASON: "caller", SAMPLING_PROBABILITY: 0.25}
    assert span.trace_state == "ot=th:c;rv:fffffffffffffe,vendor=x"


@pytest.mark.parametrize(
    ("route", "ms", "kept"), [("/slow", 1500, False), ("/slow", 2500, True), ("/x", 600, True)]
)
def test_what_is_slow_depends_on_the_route(route: str, ms: float, kept: bool) -> None:
    rig = make_rig({"LUMIGATE_TRACES_SHARE": "0", "LUMIGATE_TRACES_SLOW_MS": "500, /slow=2000"})
    run(rig, ms=ms, route=route)
    assert (rig.telemetry.stats().spans_kept == 1) is kept


async def test_a_late_child_follows_the_decision_on_its_trace() -> None:
    for share, expected in (("1", ["root", "late"]), ("0", [])):
        rig = make_rig({"LUMIGATE_TRACES_SHARE": share})
        tracer = rig.telemetry.tracer("t")
        root = tracer.start_span("root", parent=None)
        late = tracer.start_span("late", parent=root)
        root.end()
        late.end()
        tracer.start_span("after", parent=root).end()
        names = [span["name"] for span in await rig.exported_spans()]
        assert names == [*expected, *(["after"] if expected else [])]
        assert rig.telemetry.stats().traces_live == 0
        assert rig.telemetry.stats().spans_live == 0


async def test_spans_of_a_trace_arrive_in_the_order_they_were_started() -> None:
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    with tracer.start_as_current_span("1"), tracer.start_as_current_span("2"):
        tracer.start_span("3").end()
    assert [span["name"] for span in await rig.exported_spans()] == ["1", "2", "3"]


class Recorder(sdk.Sampler):
    """An SDK sampler of the user's own."""

    def __init__(self, decisions: Mapping[str, sdk.Decision]) -> None:
        self.decisions = decisions
        self.parents: list[int] = []

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any) -> Any:
        from opentelemetry.trace import get_current_span

        self.parents.append(get_current_span(parent_context).get_span_context().span_id)
        return sdk.SamplingResult(self.decisions[name], {"by": name}, TraceState([("mine", "1")]))

    def get_description(self) -> str:
        return "Recorder"


async def test_an_sdk_sampler_is_asked_for_every_span_and_obeyed() -> None:
    decision = sdk.Decision
    sampler = Recorder(
        {
            "root": decision.RECORD_AND_SAMPLE,
            "hidden": decision.RECORD_ONLY,
            "gone": decision.DROP,
            "leaf": decision.RECORD_AND_SAMPLE,
        }
    )
    rig = make_rig(sampler=sampler)
    tracer = rig.telemetry.tracer("t")
    with tracer.start_as_current_span("root") as root:
        hidden = tracer.start_span("hidden")
        gone = tracer.start_span("gone")
        with tracer.start_as_current_span("leaf", parent=root):
            pass
        hidden.end()
        gone.end()
    assert (hidden.is_recording(), gone.is_recording()) == (False, False)
    assert not gone.get_span_context().trace_flags.sampled
    spans = await rig.exported_spans()
    assert [span["name"] for span in spans] == ["root", "leaf"]
    assert {span["traceState"] for span in spans} == {"mine=1"}
    assert spans[0]["attributes"][0]["key"] == "by"
    root_id = root.get_span_context().span_id
    assert sampler.parents == [0, root_id, root_id, root_id]


@pytest.mark.parametrize(
    "sampler",
    [sdk.ALWAYS_ON, sdk.ALWAYS_OFF, sdk.TraceIdRatioBased(1.0), sdk.ParentBased(sdk.ALWAYS_ON)],
)
def test_the_sdks_own_samplers_work(sampler: sdk.Sampler) -> None:
    span = make_rig(sampler=sampler).telemetry.tracer("t").start_span("s")
    assert span.is_recording() is (sampler is not sdk.ALWAYS_OFF)


@given(st.floats(0.0001, 1.0))
def test_a_threshold_written_is_the_threshold_read(probability: float) -> None:
    threshold = threshold_of(probability)
    assert threshold_in(with_threshold("", threshold)) == threshold
    assert probability_of(threshold) == pytest.approx(probability, abs=1e-12)


@given(st.text(max_size=60))
def test_any_tracestate_can_be_read_and_extended(state: str) -> None:
    """It comes from outside."""
    assert threshold_in(state) is None or threshold_in(state) is not None
    assert 0 <= randomness_of(5, state) < 1 << 56
    assert threshold_in(with_threshold(state.replace(",", ""), 0)) == 0


def test_the_tracestate_keeps_its_other_members_in_order_and_at_most_32() -> None:
    state = ",".join(f"k{n}=v" for n in range(32))
    members = with_threshold(state, threshold_of(0.5)).split(",")
    assert len(members) == 32
    assert members[:3] == ["ot=th:8", "k0=v", "k1=v"]
