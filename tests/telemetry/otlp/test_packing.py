"""Records are split into requests under a limit, and none is lost without being counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumigate.telemetry.records import LogRecord, MetricData, NumberPoint, Resource, Scope, SpanRecord
from tests.telemetry.otlp import oracle
from tests.telemetry.otlp import strategies as generated
from tests.telemetry.otlp.strategies import make_span

every_format = pytest.mark.parametrize("form", oracle.FORMATS)
RESOURCE = Resource(attributes={"service.name": "lumigate"}, schema_url="https://example.org/1.0")
three_scopes = st.sampled_from([Scope("a"), Scope("b", "1", "url"), Scope("c", attributes={"k": "v"})])


def spans_in(form: str, payload: bytes) -> list[Any]:
    (block,) = oracle.read(form, "traces", payload).resource_spans
    return [span for scope in block.scope_spans for span in scope.spans]


@every_format
@given(st.lists(generated.spans(three_scopes), max_size=12), st.integers(200, 4_000))
@settings(max_examples=60, deadline=None)
def test_every_payload_is_under_the_limit_and_every_span_is_in_one(
    form: str, spans: list[SpanRecord], limit: int
) -> None:
    """What the payloads hold and what is counted as too large are together what was given."""
    packed = oracle.FORMATS[form].encode_traces_chunked(RESOURCE, spans, limit)
    assert all(len(payload) <= limit for payload, _ in packed.payloads)
    held = [len(spans_in(form, payload)) for payload, _ in packed.payloads]
    assert held == [items for _, items in packed.payloads]
    assert sum(held) + packed.too_large == len(spans)
    assert packed.invalid == 0


@every_format
def test_payloads_are_filled_before_the_next_is_begun(form: str) -> None:
    """The number of requests is near the least possible: each is at least nine tenths full."""
    spans = [make_span(span_id=number) for number in range(1, 200)]
    packed = oracle.FORMATS[form].encode_traces_chunked(RESOURCE, spans, 10_000)
    assert len(packed.payloads) > 1
    assert all(len(payload) > 9_000 for payload, _ in packed.payloads[:-1])
    order = [span.span_id for payload, _ in packed.payloads for span in spans_in(form, payload)]
    assert order == [span.span_id.to_bytes(8) for span in spans]


@every_format
def test_a_scope_is_written_once_a_payload_and_scopes_keep_their_order(form: str) -> None:
    """Spans of two scopes that end in turns make two blocks, and equal scopes one."""
    turns = [make_span(scope=Scope(name)) for name in ("b", "a", "b", "a")]
    payload = oracle.FORMATS[form].encode_traces(RESOURCE, turns)
    blocks = oracle.read(form, "traces", payload).resource_spans[0].scope_spans
    assert [(block.scope.name, len(block.spans)) for block in blocks] == [("b", 2), ("a", 2)]


@every_format
def test_a_span_that_is_too_large_alone_is_counted_and_the_others_are_sent(form: str) -> None:
    """One huge attribute costs its own span and no other."""
    spans = [make_span(), make_span(attributes={"huge": "x" * 5_000}), make_span()]
    packed = oracle.FORMATS[form].encode_traces_chunked(RESOURCE, spans, 2_000)
    assert (sum(items for _, items in packed.payloads), packed.too_large) == (2, 1)


@every_format
@pytest.mark.parametrize("broken", [{"trace_id": 1 << 128}, {"span_id": -1}, {"events": 7}])
def test_a_span_that_cannot_be_written_is_counted_and_the_others_are_sent(
    form: str, broken: dict[str, Any]
) -> None:
    """The first reason is there for a test or a log. Where all are asked for in one request, it is raised."""
    spans = [make_span(), make_span(**broken), make_span()]
    packed = oracle.FORMATS[form].encode_traces_chunked(RESOURCE, spans, 100_000)
    assert (packed.payloads[0][1], packed.invalid) == (2, 1)
    assert isinstance(packed.error, Exception)
    with pytest.raises(type(packed.error)):
        oracle.FORMATS[form].encode_traces(RESOURCE, spans)


@every_format
def test_a_metric_with_too_many_points_is_sent_in_parts(form: str) -> None:
    """A metric can be split between its points; items are points, as a collector counts them."""
    points = [
        NumberPoint(attributes={"tenant": f"t{number}"}, start_ns=1, time_ns=2, value=number)
        for number in range(300)
    ]
    metric = MetricData(scope=Scope("s"), name="m", unit="1", description="", kind="sum", points=points)
    packed = oracle.FORMATS[form].encode_metrics_chunked(RESOURCE, [metric], 4_000)
    assert all(len(payload) <= 4_000 for payload, _ in packed.payloads)
    read = [
        point.as_int
        for payload, _ in packed.payloads
        for block in oracle.read(form, "metrics", payload).resource_metrics[0].scope_metrics
        for part in block.metrics
        for point in part.sum.data_points
    ]
    assert read == list(range(300))
    assert sum(items for _, items in packed.payloads) == 300


@every_format
def test_logs_are_split_too(form: str) -> None:
    """The same rules for the third signal."""
    logs = [LogRecord(scope=Scope("s"), time_ns=1, observed_ns=2, body="x" * 500) for _ in range(10)]
    packed = oracle.FORMATS[form].encode_logs_chunked(RESOURCE, logs, 2_000)
    assert len(packed.payloads) > 2
    assert sum(items for _, items in packed.payloads) == 10


@every_format
def test_each_request_names_the_resource_and_scope_it_was_given(form: str) -> None:
    """What is kept of the last resource and scope is used for those objects alone."""
    for name in ("first", "second", "first"):
        resource, span = Resource(attributes={"service.name": name}), make_span(scope=Scope(name))
        payload = oracle.FORMATS[form].encode_traces(resource, [span])
        (block,) = oracle.read(form, "traces", payload).resource_spans
        assert block.resource.attributes[0].value.string_value == name
        assert block.scope_spans[0].scope.name == name


@every_format
@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_nothing_makes_no_payload_and_one_empty_request(form: str, signal: str) -> None:
    """`encode_…_chunked` of nothing sends nothing; `encode_…` of nothing is a valid request."""
    module = oracle.FORMATS[form]
    chunked: Callable[..., Any] = getattr(module, f"encode_{signal}_chunked")
    encode: Callable[..., bytes] = getattr(module, f"encode_{signal}")
    assert chunked(RESOURCE, [], 1_000).payloads == []
    oracle.read(form, signal, encode(RESOURCE, []))
