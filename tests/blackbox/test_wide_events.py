"""The wide event over OTLP: the log record of a request says what its line on the console says, on every runtime."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from lumigate.catalog import WIDE_EVENT_ATTRIBUTES
from tests.blackbox.conftest import Stage
from tests.collector import Collector, attributes

CHAT = "/v1/chat/completions"
INFO, WARN = 9, 13


def question(text: str = "", **more: Any) -> dict[str, Any]:
    return {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"{text} {uuid.uuid4()}"}],
        **more,
    }


def record_of(stage: Stage, answer: httpx.Response) -> LogRecord:
    """The record of a request, once it was exported; there is one."""
    assert stage.collector is not None
    request_id = answer.headers["x-request-id"]

    def found(collector: Collector) -> list[LogRecord]:
        return [it for it in collector.logs() if attributes(it).get("request_id") == request_id]

    (record,) = stage.collector.wait_for(found)
    return record


@pytest.mark.parametrize(
    ("prompt", "more", "severity", "outcome"),
    [
        ("well", {}, INFO, "complete"),
        ("well", {"stream": True}, INFO, "complete"),
        ("[[mock fault=status-500]]", {}, WARN, "upstream_error"),
        ("refused", {"model": "no-such-model"}, INFO, "refused"),
    ],
)
def test_the_record_says_what_the_line_says(
    staged: Stage, http: httpx.Client, prompt: str, more: dict[str, Any], severity: int, outcome: str
) -> None:
    answer = http.post(CHAT, json=question(prompt, **more), headers=staged.headers())
    event = staged.event(answer.headers["x-request-id"])
    record = record_of(staged, answer)
    told = attributes(record)
    assert set(told) <= set(WIDE_EVENT_ATTRIBUTES)
    assert told == {key: event[key] for key in WIDE_EVENT_ATTRIBUTES if event.get(key) not in (None, "")}
    assert (told["event"], told["outcome"]) == ("request", outcome)
    assert (record.severity_number, record.severity_text) == (severity, event["level"])
    assert record.event_name == "lumigate.request"
    assert (record.trace_id.hex(), record.span_id.hex()) == (event["trace_id"], event["span_id"])
    assert record.body.string_value == f"POST {CHAT} {answer.status_code} {outcome}"


def test_the_record_leads_to_the_trace_and_the_resource_to_the_service(
    staged: Stage, http: httpx.Client
) -> None:
    answer = http.post(CHAT, json=question(), headers=staged.headers())
    record = record_of(staged, answer)
    assert staged.collector is not None
    spans = staged.collector.trace(record.trace_id.hex(), with_span=f"POST {CHAT}")
    assert spans[f"POST {CHAT}"].span_id == record.span_id
    resources = [
        attributes(resource.resource)
        for path, _, message in staged.collector.requests
        if path == "/v1/logs"
        for resource in message.resource_logs  # type: ignore[attr-defined]
    ]
    assert {each["service.name"] for each in resources} == {"lumigate"}
    assert {each["deployment.environment.name"] for each in resources} == {"test"}


def test_no_prompt_and_no_credential_is_in_a_record(staged: Stage, http: httpx.Client) -> None:
    secret = f"attic-{uuid.uuid4()}"
    told = str(record_of(staged, http.post(CHAT, json=question(secret), headers=staged.headers())))
    assert secret not in told
    assert staged.headers()["authorization"].split(".")[2] not in told
