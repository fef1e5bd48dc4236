"""What comes from outside and is wrong: a 4xx that says so, in OpenAI's shape, and the gateway goes on serving."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import Stage

CHAT = "/v1/chat/completions"
GOOD = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}


def with_changes(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


BAD_BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "invalid_json"),
    "not JSON": (b"{", 400, "invalid_json"),
    "not UTF-8": (b'{"model": "\xff"}', 400, "invalid_json"),
    "NaN": (b'{"model": NaN}', 400, "invalid_json"),
    "too deep": (b"[" * 100_000, 400, "invalid_json"),
    "deeper than anyone needs": (
        with_changes(tools=[]).replace(b"[]", b"[" * 200 + b"]" * 200),
        400,
        "invalid_json",
    ),
    "deep enough to end an interpreter": (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, 400, "invalid_json"),
    "a huge number": (b'{"model": ' + b"9" * 5000 + b"}", 400, "invalid_json"),
    "a list": (b"[]", 400, "invalid_request"),
    "no model": (b'{"messages": []}', 400, "invalid_request"),
    "a model that is a number": (with_changes(model=1), 400, "invalid_request"),
    "no messages": (with_changes(messages=[]), 400, "invalid_request"),
    "messages that are text": (with_changes(messages="hello"), 400, "invalid_request"),
    "an unknown role": (with_changes(messages=[{"role": "king", "content": "x"}]), 400, "invalid_request"),
    "a stream that is a word": (with_changes(stream="yes"), 400, "invalid_request"),
    "stream options without a stream": (
        with_changes(stream_options={"include_usage": True}),
        400,
        "invalid_request",
    ),
    "a temperature that is text": (with_changes(temperature="hot"), 400, "invalid_request"),
    "negative tokens": (with_changes(max_tokens=-1), 400, "invalid_request"),
    "an unknown model": (with_changes(model="gpt-99"), 404, "model_not_found"),
    "too large": (with_changes(messages=[{"role": "user", "content": "x" * 300_000}]), 413, "body_too_large"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused(stage: Stage, http: httpx.Client, name: str) -> None:
    if stage.upstream is None and name == "too large":
        pytest.skip("the limit is a setting of the deployment")
    body, status, code = BAD_BODIES[name]
    answer = http.post(CHAT, content=body, headers=stage.headers(**{"content-type": "application/json"}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code", "trace_id"}


def test_a_body_without_a_length_is_bounded_too(staged: Stage, http: httpx.Client) -> None:
    pieces = (b" " * 10_000 for _ in range(100))
    answer = http.post(CHAT, content=pieces, headers=staged.headers(**{"content-type": "application/json"}))
    assert answer.status_code == 413


def test_another_content_type_is_refused(stage: Stage, http: httpx.Client) -> None:
    answer = http.post(CHAT, content=b"a=b", headers=stage.headers(**{"content-type": "text/plain"}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_what_stands_twice_in_a_body_is_sent_on_as_it_was_judged(staged: Stage, http: httpx.Client) -> None:
    """Two readers may believe two members; a provider is sent what was read here, written anew, with one of them."""
    assert staged.upstream is not None
    body = (
        b'{"model": "gpt-5", "model": "gpt-4o-mini", "model": "gpt-4o-mini",'
        b' "messages": [{"role": "user", "content": "one", "content": "what stands twice"}]}'
    )
    answer = http.post(CHAT, content=body, headers=staged.headers(**{"content-type": "application/json"}))
    assert (answer.status_code, answer.json()["model"]) == (200, "gpt-4o-mini")
    sent = staged.upstream.requests[-1].body
    assert (sent.count(b'"model"'), sent.count(b'"content"'), b"gpt-5" in sent) == (1, 1, False)
    assert b"what stands twice" in sent


def test_an_unknown_route_is_not_found(http: httpx.Client) -> None:
    answer = http.get("/v1/nowhere")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_route")


def test_a_wrong_method_is_told_the_right_one(stage: Stage, http: httpx.Client) -> None:
    answer = http.get(CHAT, headers=stage.headers())
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "junk",
        "00-zz-zz-00",
        "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
        "ff-" + "1" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "0" * 5000,
    ],
)
def test_a_broken_traceparent_starts_a_new_trace(http: httpx.Client, header: str) -> None:
    answer = http.get("/health", headers={"traceparent": header})
    version, trace_id, span_id, flags = answer.headers["traceresponse"].split("-")
    assert (answer.status_code, version, len(trace_id), len(span_id)) == (200, "00", 32, 16)
    assert trace_id not in ("0" * 32, "1" * 32)
    assert int(flags, 16) in (0b01, 0b11)  # sampled; bit 1 says that the id is random (W3C, level 2)


def test_a_good_traceparent_is_continued(http: httpx.Client) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = http.get("/health", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    assert answer.headers["traceresponse"].split("-")[1] == trace_id


def test_health_needs_no_credentials(http: httpx.Client) -> None:
    answer = http.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert http.head("/health").content == b""
