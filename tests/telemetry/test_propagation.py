"""Trace context and baggage in and out of headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry.trace import get_current_span

from lumigate.telemetry import RecordingSpan
from tests.telemetry.fakes import make_rig

VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_callers_context_is_taken_and_passed_on() -> None:
    rig = make_rig()
    context = rig.telemetry.extract({"traceparent": VALID, "tracestate": "a=1,b=2", "baggage": "tenant=acme"})
    span = rig.telemetry.tracer("t").start_span("s", parent=context)
    assert isinstance(span, RecordingSpan)
    assert f"{span.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{span.parent_id:016x}" == "b7ad6b7169203331"
    assert baggage.get_baggage("tenant", context) == "acme"
    carrier: dict[str, str] = {}
    rig.telemetry.inject(span, carrier, context)
    assert carrier == {
        "traceparent": f"00-0af7651916cd43dd8448eb211c80319c-{span.span_id:016x}-01",
        "tracestate": "a=1,b=2",
        "baggage": "tenant=acme",
    }


@pytest.mark.parametrize(
    "header",
    [
        "",
        "junk",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        VALID + "-more",
        VALID.upper(),
        VALID * 20,
        "\ud800",
    ],
)
def test_a_malformed_traceparent_starts_a_new_trace(header: str) -> None:
    """Never an error: the specification says to restart the trace."""
    rig = make_rig()
    span = rig.telemetry.tracer("t").start_span("s", parent=rig.telemetry.extract({"traceparent": header}))
    assert isinstance(span, RecordingSpan)
    assert span.parent_id == 0


@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text() | st.just(VALID)))
def test_no_headers_make_extract_raise(headers: dict[str, str]) -> None:
    rig = make_rig()
    rig.telemetry.tracer("t").start_span("s", parent=rig.telemetry.extract(headers)).end()


def test_a_tracestate_over_the_limits_is_left_out_and_the_trace_goes_on() -> None:
    rig = make_rig()
    for state in (",".join(f"k{n}=v" for n in range(33)), "k=" + "v" * 9000, "BAD KEY=1"):
        context = rig.telemetry.extract({"traceparent": VALID, "tracestate": state})
        parent = get_current_span(context).get_span_context()
        assert parent.is_valid
        assert not parent.trace_state


def test_propagators_are_chosen_by_setting() -> None:
    for setting, expected in (("tracecontext", {"traceparent"}), ("none", set()), ("baggage", {"baggage"})):
        rig = make_rig({"OTEL_PROPAGATORS": setting})
        context = baggage.set_baggage("k", "v")
        carrier: dict[str, str] = {}
        rig.telemetry.inject(rig.telemetry.tracer("t").start_span("s"), carrier, context)
        assert set(carrier) == expected


def test_an_unsampled_trace_is_propagated_as_such() -> None:
    rig = make_rig({"OTEL_TRACES_SAMPLER": "always_off"})
    carrier: dict[str, str] = {}
    rig.telemetry.inject(rig.telemetry.tracer("t").start_span("s", parent=None), carrier)
    assert carrier["traceparent"].endswith("-02")


@pytest.mark.parametrize(
    "headers",
    [
        {"baggage": "no-equals,s3cret="},
        {"baggage": "s3cret" * 3000},
        {"traceparent": "s3cret" * 300},
        {"traceparent": VALID, "tracestate": "s3cret s3cret,=x,a=1,a=1"},
    ],
)
def test_malformed_headers_write_nothing_into_the_log(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    make_rig().telemetry.extract(headers)
    assert not caplog.records
