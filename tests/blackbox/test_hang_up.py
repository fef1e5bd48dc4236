"""A client that leaves in the middle: the provider is stopped, the request is told as it ended, others go on."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx

from tests.blackbox.conftest import Stage

CHAT = "/v1/chat/completions"


def test_a_hang_up_in_a_stream_is_told_and_stops_the_provider(staged: Stage, http: httpx.Client) -> None:
    assert staged.upstream is not None
    assert staged.collector is not None
    before = staged.upstream.left_early
    content = f"[[mock tokens=500 chunk-ms=20]] {uuid.uuid4()}"
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], "stream": True}
    with (
        httpx.Client(base_url=staged.url, timeout=10) as client,
        client.stream("POST", CHAT, json=body, headers=staged.headers()) as answer,
    ):
        next(answer.iter_bytes())
        headers = answer.headers
    event = staged.event(headers["x-request-id"])
    assert (event["outcome"], event["status"]) == ("client_abort", 200)
    assert event["duration_ms"] < 5_000
    deadline = time.monotonic() + 5
    while staged.upstream.left_early == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert staged.upstream.left_early == before + 1
    trace_id = headers["traceresponse"].split("-")[1]
    spans = staged.collector.trace(trace_id, with_span="POST /v1/chat/completions")
    assert "chat gpt-4o-mini" in spans
    assert http.get("/health").status_code == 200


def test_a_hang_up_before_the_answer_is_told(staged: Stage, http: httpx.Client) -> None:
    known = {event["request_id"] for event in staged.events() if "request_id" in event}
    content = f"[[mock first-byte-ms=800]] {uuid.uuid4()}"
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]}
    with httpx.Client(base_url=staged.url, timeout=0.2) as client:
        try:
            client.post(CHAT, json=body, headers=staged.headers())
            raise AssertionError("the answer came too soon")
        except httpx.ReadTimeout:
            pass
    deadline = time.monotonic() + 10
    new: list[dict[str, Any]] = []
    while not new and time.monotonic() < deadline:
        new = [e for e in staged.events() if e.get("request_id") not in known and e["event"] == "request"]
        time.sleep(0.05)
    assert [(event["outcome"], event["status"]) for event in new] == [("client_abort", 499)]
    assert http.get("/health").status_code == 200
