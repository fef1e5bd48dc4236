"""A client that leaves in the middle: the provider is stopped, the request is told as it ended, others go on."""

from __future__ import annotations

import json
import uuid
from http.client import HTTPConnection

import httpx

from local.mocks.wire import WireRequest
from tests.blackbox.conftest import PATIENCE, Stage, eventually

CHAT = "/v1/chat/completions"


def test_a_hang_up_in_a_stream_is_told_and_stops_the_provider(staged: Stage, http: httpx.Client) -> None:
    assert staged.upstream is not None
    assert staged.collector is not None
    mark = uuid.uuid4().hex
    content = f"[[mock tokens=5000 chunk-ms=20]] {mark}"
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], "stream": True}
    with (
        httpx.Client(base_url=staged.url, timeout=PATIENCE) as client,
        client.stream("POST", CHAT, json=body, headers=staged.headers()) as answer,
    ):
        next(answer.iter_bytes())
        headers = answer.headers
    event = staged.event(headers["x-request-id"])
    assert (event["outcome"], event["status"]) == ("client_abort", 200)
    asked = received(staged, mark)
    assert eventually(lambda: asked.left_early), "the provider was stopped long before its end"
    trace_id = headers["traceresponse"].split("-")[1]
    spans = staged.collector.trace(trace_id, with_span="POST /v1/chat/completions")
    assert "chat gpt-4o-mini" in spans
    assert http.get("/health").status_code == 200


def received(stage: Stage, mark: str) -> WireRequest:
    """What the provider was asked with that in it, once it has been."""
    upstream = stage.upstream
    assert upstream is not None
    return eventually(lambda: next((r for r in list(upstream.requests) if mark.encode() in r.body), None))


def test_a_hang_up_before_the_answer_is_told(staged: Stage, http: httpx.Client) -> None:
    """It leaves when the provider has been asked, and has not said anything."""
    assert staged.upstream is not None
    mark, trace_id = uuid.uuid4().hex, uuid.uuid4().hex
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"[[mock hold={mark}]]"}]}
    headers = {"content-type": "application/json", "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    staged.upstream.held.add(mark)
    try:
        address = httpx.URL(staged.url)
        connection = HTTPConnection(address.host, address.port, timeout=PATIENCE)
        connection.request("POST", CHAT, json.dumps(body), staged.headers(**headers))
        asked = received(staged, mark)
        connection.close()
        event = staged.told("trace_id", trace_id)
        assert (event["outcome"], event["status"]) == ("client_abort", 499)
        assert eventually(lambda: asked.left_early)
    finally:
        staged.upstream.held.discard(mark)
    assert http.get("/health").status_code == 200
