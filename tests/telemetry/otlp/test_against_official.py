"""Every message we write is read by the official parser, and equals the official encoder's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumigate.telemetry.records import LogRecord, MetricData, Resource, SpanRecord
from tests.telemetry.otlp import oracle
from tests.telemetry.otlp import strategies as generated

generously = settings(max_examples=100, deadline=None)
every_format = pytest.mark.parametrize("form", oracle.FORMATS)


@every_format
@given(generated.resources, st.lists(generated.spans(), max_size=3))
@generously
def test_traces_equal_the_official_encoders(form: str, resource: Resource, spans: list[SpanRecord]) -> None:
    """Ids, times, attributes, events, links, status, flags, dropped counts: the parsed trees are equal."""
    spans = list({(span.trace_id, span.span_id): span for span in spans}.values())
    ours = oracle.read(form, "traces", oracle.FORMATS[form].encode_traces(resource, spans))
    official = oracle.official_traces(resource, spans)
    if not spans:
        # The official encoder names no resource then; ours does, with nothing in it.
        assert [list(block.scope_spans) for block in ours.resource_spans] == [[]]
    else:
        assert oracle.same(ours, official), f"{ours}\nofficial:\n{official}"


@every_format
@given(generated.resources, st.lists(generated.metrics(), max_size=3))
@generously
def test_metrics_equal_the_official_encoders(
    form: str, resource: Resource, metrics: list[MetricData]
) -> None:
    """Sums, gauges and both kinds of histogram, delta and cumulative, with exemplars: the trees are equal."""
    ours = oracle.read(form, "metrics", oracle.FORMATS[form].encode_metrics(resource, metrics))
    official = oracle.official_metrics(resource, metrics)
    assert oracle.same(ours, official), f"{ours}\nofficial:\n{official}"


@every_format
@given(generated.resources, st.lists(generated.logs, min_size=1, max_size=3))
@generously
def test_logs_equal_the_official_encoders(form: str, resource: Resource, logs: list[LogRecord]) -> None:
    """Bodies of any shape, severity, event names and trace context: the parsed trees are equal."""
    ours = oracle.read(form, "logs", oracle.FORMATS[form].encode_logs(resource, logs))
    official = oracle.official_logs(resource, logs)
    assert oracle.same(ours, official), f"{ours}\nofficial:\n{official}"
