"""Generated records of every signal, as the engine could make them."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from lumigate.telemetry.records import (
    CUMULATIVE,
    DELTA,
    EventRecord,
    Exemplar,
    ExponentialHistogramPoint,
    HistogramPoint,
    LinkRecord,
    LogRecord,
    MetricData,
    NumberPoint,
    Resource,
    Scope,
    SpanRecord,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)
doubles = st.floats(allow_nan=False) | st.just(math.nan)
"""One NaN only: the others have bits that JSON cannot carry."""
counts = st.integers(0, (1 << 64) - 1)
small_counts = st.just(0) | st.integers(0, (1 << 32) - 1)
times = st.integers(0, (1 << 64) - 1)
trace_ids = st.integers(1, (1 << 128) - 1)
span_ids = st.integers(1, (1 << 64) - 1)
# A small alphabet of keys and values makes equal keys with different types likely: 1, 1.0 and True.
keys = st.sampled_from(["a", "http.route", "schlüssel"]) | text.filter(bool)
scalars = st.sampled_from(["", "a", "stop", 0, 1, 1.0, True, False]) | text | int64 | doubles | st.booleans()
any_values = st.recursive(
    scalars | st.none() | st.binary(max_size=20),
    lambda held: st.lists(held, max_size=4) | st.dictionaries(keys, held, max_size=4),
    max_leaves=12,
)
attributes: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    keys, scalars | st.lists(text, max_size=3) | st.lists(doubles, max_size=3) | any_values, max_size=8
)
plain_attributes: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    keys, scalars | st.lists(text, max_size=3), max_size=4
)
resources = st.builds(Resource, attributes=plain_attributes, schema_url=text)
scopes = st.builds(
    Scope, name=text.filter(bool), version=text, schema_url=text, attributes=st.just({}) | plain_attributes
)
trace_states = st.sampled_from(["", "a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"])
flags = st.sampled_from([0x100, 0x101, 0x300, 0x301])

events = st.builds(
    EventRecord, name=text, time_ns=times, attributes=plain_attributes, dropped_attributes=small_counts
)
links = st.builds(
    LinkRecord,
    trace_id=trace_ids,
    span_id=span_ids,
    trace_state=trace_states,
    flags=flags,
    attributes=plain_attributes,
    dropped_attributes=small_counts,
)


def make_span(**fields: Any) -> SpanRecord:
    """A span with the fields given, and quiet values for the others."""
    defaults: dict[str, Any] = {
        "name": "GET /health",
        "trace_id": 0x0AF7651916CD43DD8448EB211C80319C,
        "span_id": 0xB7AD6B7169203331,
        "parent_id": 0,
        "trace_state": "",
        "flags": 0x101,
        "kind": 1,
        "start_ns": 1_790_000_000_000_000_000,
        "end_ns": 1_790_000_000_005_000_000,
        "attributes": {},
        "dropped_attributes": 0,
        "events": (),
        "dropped_events": 0,
        "links": (),
        "dropped_links": 0,
        "status_code": 0,
        "status_message": "",
        "scope": Scope("lumigate", "1.0"),
    }
    record = SpanRecord()
    for name, value in (defaults | fields).items():
        setattr(record, name, value)
    return record


@st.composite
def spans(draw: st.DrawFn, scope: st.SearchStrategy[Scope] = scopes) -> SpanRecord:
    status_code = draw(st.integers(0, 2))
    return make_span(
        name=draw(text),
        trace_id=draw(trace_ids),
        span_id=draw(span_ids),
        parent_id=draw(st.just(0) | span_ids),
        trace_state=draw(trace_states),
        flags=draw(flags),
        kind=draw(st.integers(1, 5)),
        start_ns=draw(times),
        end_ns=draw(times),
        attributes=draw(attributes),
        dropped_attributes=draw(small_counts),
        events=draw(st.lists(events, max_size=3)),
        dropped_events=draw(small_counts),
        links=draw(st.lists(links, max_size=3)),
        dropped_links=draw(small_counts),
        status_code=status_code,
        status_message=draw(text) if status_code == 2 else "",
        scope=draw(scope),
    )


logs = st.builds(
    LogRecord,
    scope=scopes,
    time_ns=times,
    observed_ns=times,
    body=any_values,
    severity_number=st.integers(0, 24),
    severity_text=text,
    attributes=attributes,
    dropped_attributes=small_counts,
    trace_id=st.just(0) | trace_ids,
    span_id=st.just(0) | span_ids,
    flags=st.integers(0, 255),
    event_name=text,
)


@st.composite
def exemplar(draw: st.DrawFn) -> Exemplar:
    # Both ids or none, as a measurement inside or outside a span has them.
    trace_id, span_id = draw(st.just((0, 0)) | st.tuples(trace_ids, span_ids))
    return Exemplar(
        value=draw(int64 | doubles),
        time_ns=draw(times),
        trace_id=trace_id,
        span_id=span_id,
        attributes=draw(plain_attributes),
    )


exemplars = st.lists(exemplar(), max_size=2)
number_points = st.builds(
    NumberPoint,
    attributes=plain_attributes,
    start_ns=times,
    time_ns=times,
    value=int64 | doubles,
    exemplars=exemplars,
)


@st.composite
def histogram_points(draw: st.DrawFn) -> HistogramPoint:
    bounds = draw(st.lists(st.floats(allow_nan=False), max_size=6).map(sorted))
    return HistogramPoint(
        attributes=draw(plain_attributes),
        start_ns=draw(times),
        time_ns=draw(times),
        count=draw(counts),
        sum=draw(doubles),
        bounds=tuple(bounds),
        bucket_counts=draw(st.lists(counts, min_size=len(bounds) + 1, max_size=len(bounds) + 1)),
        min=draw(st.none() | doubles),
        max=draw(st.none() | doubles),
        exemplars=draw(exemplars),
    )


int32 = st.integers(-(1 << 31), (1 << 31) - 1)
exponential_points = st.builds(
    ExponentialHistogramPoint,
    attributes=plain_attributes,
    start_ns=times,
    time_ns=times,
    count=counts,
    sum=doubles,
    scale=int32,
    zero_count=counts,
    positive_offset=int32,
    positive_counts=st.lists(counts, max_size=6),
    negative_offset=int32,
    negative_counts=st.lists(counts, max_size=6),
    zero_threshold=st.just(0.0) | st.floats(0, 1),
    min=st.none() | doubles,
    max=st.none() | doubles,
    exemplars=exemplars,
)
_points: dict[str, st.SearchStrategy[Any]] = {
    "sum": number_points,
    "gauge": number_points,
    "histogram": histogram_points(),
    "exponential_histogram": exponential_points,
}


@st.composite
def metrics(draw: st.DrawFn, scope: st.SearchStrategy[Scope] = scopes) -> MetricData:
    kind = draw(st.sampled_from(["sum", "gauge", "histogram", "exponential_histogram"]))
    return MetricData(
        scope=draw(scope),
        name=draw(text),
        unit=draw(text),
        description=draw(text),
        kind=kind,  # type: ignore[arg-type]
        points=draw(st.lists(_points[kind], min_size=1, max_size=3)),
        temporality=draw(st.sampled_from([DELTA, CUMULATIVE])),
        monotonic=draw(st.booleans()),
    )
