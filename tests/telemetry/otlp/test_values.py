"""Attributes: values that are equal in Python and different in OTLP, odd ones, and the pieces kept between requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from lumigate.telemetry.otlp import (
    json_metrics,
    json_traces,
    json_values,
    protobuf_traces,
    protobuf_values,
)
from lumigate.telemetry.records import Resource
from tests.telemetry.otlp import oracle
from tests.telemetry.otlp.strategies import make_span

every_format = pytest.mark.parametrize("form", oracle.FORMATS)


def written(form: str, attributes: dict[Any, Any]) -> Span:
    payload = oracle.FORMATS[form].encode_traces(Resource(attributes={}), [make_span(attributes=attributes)])
    span = oracle.read(form, "traces", payload).resource_spans[0].scope_spans[0].spans[0]
    assert isinstance(span, Span)
    return span


@every_format
def test_equal_keys_of_different_types_keep_their_types(form: str) -> None:
    """1, 1.0 and True are one key of a dict; no cache may take one for another."""
    for _ in range(2):
        for value, kind in [
            (1, "int_value"),
            (True, "bool_value"),
            (1.0, "double_value"),
            ("1", "string_value"),
            (0, "int_value"),
            (False, "bool_value"),
            (0.0, "double_value"),
        ]:
            (pair,) = written(form, {"same": value}).attributes
            assert pair.value.WhichOneof("value") == kind
            assert getattr(pair.value, kind) == value


@every_format
def test_lone_surrogates_become_the_replacement_character_everywhere(form: str) -> None:
    """In keys, short and long values, names and messages: no payload is refused for one."""
    bad, good = "x\ud800y", "x\ufffdy"
    span = make_span(
        name=bad,
        attributes={bad: bad, "long": bad * 100, "list": [bad], "map": {bad: bad}},
        status_code=2,
        status_message=bad,
        trace_state=bad,
    )
    payload = oracle.FORMATS[form].encode_traces(Resource(attributes={bad: bad}), [span])
    block = oracle.read(form, "traces", payload).resource_spans[0]
    (read,) = block.scope_spans[0].spans
    assert (read.name, read.status.message, read.trace_state) == (good, good, good)
    assert (read.attributes[0].key, read.attributes[0].value.string_value) == (good, good)
    assert read.attributes[1].value.string_value == good * 100
    assert read.attributes[2].value.array_value.values[0].string_value == good
    assert read.attributes[3].value.kvlist_value.values[0].key == good
    assert block.resource.attributes[0].key == good


@every_format
def test_attributes_of_odd_types_never_raise(form: str) -> None:
    """Cycles, huge integers, objects, keys that are not text: something readable is sent."""
    cycle: dict[str, object] = {}
    cycle["again"] = cycle
    span = written(
        form,
        {"cycle": cycle, "huge": 1 << 70, "object": object, 7: "seven", "set": {1}, "none": None, "": ""},
    )
    read = {pair.key: pair.value for pair in span.attributes}
    assert read["huge"].string_value == str(1 << 70)
    assert read["7"].string_value == "seven"
    assert read["set"].array_value.values[0].int_value == 1
    assert read["none"].WhichOneof("value") is None
    assert read["object"].string_value == "<class 'object'>"


@every_format
def test_ten_thousand_attributes_and_a_megabyte_are_written_whole(form: str) -> None:
    """The writer sets no limit of its own on flat attributes; the engine does."""
    span = written(form, {f"key{number}": number for number in range(10_000)} | {"text": "x" * 1_000_000})
    assert len(span.attributes) == 10_001
    assert len(span.attributes[-1].value.string_value) == 1_000_000


@pytest.mark.parametrize("values", [json_values, protobuf_values])
def test_what_is_kept_between_requests_is_bounded(values: Any) -> None:
    """Keys, values of a key and their length are, whatever comes in."""
    form = "json" if values is json_values else "protobuf"
    for number in range(2 * values.MAX_KEYS):
        written(form, {f"key{number}": "x"})
    for number in range(2 * values.MAX_TEXTS_PER_KEY):
        written(form, {"id": f"value {number}", "k" * 1_000: "x", "body": "x" * (1_000 + number)})
    kept = values._keys
    assert len(kept) <= values.MAX_KEYS
    assert len(kept["id"].texts) == values.MAX_TEXTS_PER_KEY
    assert not kept["body"].texts
    assert max(map(len, kept)) <= values.MAX_CACHED_CHARS


def test_json_writes_ids_in_hex_and_64_bit_integers_as_text() -> None:
    """The rules in which OTLP/JSON differs from plain proto3 JSON, read by no parser but json's."""
    payload = oracle.FORMATS["json"].encode_traces(
        Resource(attributes={}), [make_span(kind=2, parent_id=1, attributes={"n": 5, "nan": float("nan")})]
    )
    (span,) = json.loads(payload)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span == {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "parentSpanId": "0000000000000001",
        "name": "GET /health",
        "kind": 2,
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000000005000000",
        "attributes": [
            {"key": "n", "value": {"intValue": "5"}},
            {"key": "nan", "value": {"doubleValue": "NaN"}},
        ],
        "flags": 257,
        "status": {},
    }


def test_span_heads_and_bounds_kept_between_requests_are_bounded() -> None:
    """Names that never repeat, or are long, do not pile up."""
    for number in range(2 * json_traces.MAX_HEADS):
        span = make_span(name=f"GET /{number}")
        json_traces.span(span)
        protobuf_traces.span(span)
    for module in (json_traces, protobuf_traces):
        module.span(make_span(name="n" * 1_000))
        assert len(module._heads) <= module.MAX_HEADS
        assert all(len(name) <= module.MAX_CACHED_CHARS for name, _, _ in module._heads)
    for number in range(2 * json_metrics.MAX_ENTRIES):
        json_metrics._bounds([float(number)])
    json_metrics._bounds(range(1_000))
    assert len(json_metrics._written_bounds) <= json_metrics.MAX_ENTRIES
    assert max(map(len, json_metrics._written_bounds)) <= json_metrics.MAX_CACHED_BOUNDS
