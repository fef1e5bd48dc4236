"""A collector's answer is read where it says something, and never trusted."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from lumigate.telemetry.otlp.response import MAX_MESSAGE_CHARS, PartialSuccess, Signal, parse_partial_success

SIGNALS: dict[Signal, tuple[Any, str]] = {
    "traces": (traces.ExportTraceServiceResponse, "rejected_spans"),
    "metrics": (metrics.ExportMetricsServiceResponse, "rejected_data_points"),
    "logs": (logs.ExportLogsServiceResponse, "rejected_log_records"),
}
signals = st.sampled_from(list(SIGNALS))
rejected_counts = st.integers(0, (1 << 63) - 1)
messages = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(signals, rejected_counts, messages)
@settings(deadline=None)
def test_what_the_official_messages_say_is_read_from_both_formats(
    signal: Signal, rejected: int, message: str
) -> None:
    """Count and message, as the official package writes them; neither is no partial success."""
    response, field = SIGNALS[signal]
    answer = response()
    setattr(answer.partial_success, field, rejected)
    answer.partial_success.error_message = message
    expected = PartialSuccess(rejected, message) if rejected or message else None
    as_protobuf = parse_partial_success(signal, "application/x-protobuf", answer.SerializeToString())
    as_json = parse_partial_success(signal, "application/json; charset=utf-8", MessageToJson(answer).encode())
    assert as_protobuf == expected
    assert as_json == expected


@given(signals, st.sampled_from(["application/json", "application/x-protobuf", ""]), st.binary(max_size=200))
@settings(deadline=None)
def test_junk_never_raises(signal: Signal, content_type: str, body: bytes) -> None:
    """Whatever the bytes are, the count is a sane number and the message bounded."""
    found = parse_partial_success(signal, content_type, body)
    assert found is None or (0 <= found.rejected < 1 << 63 and len(found.message) <= MAX_MESSAGE_CHARS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"partialSuccess":null}',
        b'{"partialSuccess":[]}',
        b'{"partialSuccess":{"rejectedSpans":"many"}}',
        b'{"partialSuccess":{"rejectedSpans":true}}',
        b'{"partialSuccess":{"rejectedSpans":-5}}',
        b'{"partialSuccess":{"rejectedSpans":1e400}}',
        b'{"partialSuccess":{"rejectedSpans":"' + b"9" * 5_000 + b'"}}',
        b"[" * 60_000,
        b'{"partialSuccess":{"rejectedSpans":1}}' + b" " * 70_000,
        b"\xff\xfe",
    ],
)
def test_an_answer_without_a_readable_count_means_all_was_taken(body: bytes) -> None:
    """Wrong shapes, wrong types, too deep, too long: None, since the status said 200."""
    assert parse_partial_success("traces", "application/json", body) is None


def test_a_long_message_is_cut() -> None:
    """A collector cannot make us keep more than a bounded text."""
    body = b'{"partialSuccess":{"errorMessage":"' + b"x" * 50_000 + b'"}}'
    found = parse_partial_success("traces", "application/json", body)
    assert found == PartialSuccess(0, "x" * MAX_MESSAGE_CHARS)
