"""A provider that fails: a 502 in OpenAI's shape, the true outcome in telemetry, and the next request works.

One that says nothing is in `test_silent_providers`, with a gateway that has little patience.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import Stage

CHAT = "/v1/chat/completions"

BEFORE_THE_FIRST_BYTE: dict[str, tuple[int, str]] = {
    "reset": (502, "upstream_unreachable"),
    "garbage": (502, "upstream_unreachable"),
    "html": (502, "upstream_bad_answer"),
    "status-500": (502, "upstream_failed"),
    "status-503": (502, "upstream_failed"),
    "status-401": (502, "upstream_failed"),
    "status-403": (502, "upstream_failed"),
    "status-400": (400, "upstream_refused"),
    "status-422": (422, "upstream_refused"),
    "status-429": (429, "upstream_rate_limited"),
}
ASKED_TWICE = {"reset", "garbage", "status-500", "status-503", "status-429"}
"""What may be better in a moment; the mock says it is not."""
IN_AN_ANSWER: dict[str, tuple[int, str]] = {
    "invalid-json": (502, "upstream_bad_answer"),
    "wrong-json": (502, "upstream_bad_answer"),
    "empty": (502, "upstream_bad_answer"),
}
IN_A_STREAM: dict[str, tuple[str, str]] = {
    "half-event": ("upstream_error", "upstream_unreachable"),
    "half-event-clean": ("truncated", "truncated"),
    "reset-mid": ("upstream_error", "upstream_unreachable"),
    "error-event": ("upstream_error", "upstream_failed"),
}


def ask(stage: Stage, http: httpx.Client, directive: str, *, stream: bool) -> httpx.Response:
    content = f"[[mock {directive}]] {uuid.uuid4()}"
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], "stream": stream}
    return http.post(CHAT, json=body, headers=stage.headers())


def events(answer: httpx.Response) -> list[Any]:
    """The data of each event; fails on half an event."""
    assert answer.text.endswith("\n\n")
    data = [event.removeprefix("data: ") for event in answer.text.removesuffix("\n\n").split("\n\n")]
    return [json.loads(item) for item in data if item != "[DONE]"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_BYTE)
def test_a_fault_before_the_answer_is_a_status(
    staged: Stage, http: httpx.Client, fault: str, stream: bool
) -> None:
    status, code = BEFORE_THE_FIRST_BYTE[fault]
    answer = ask(staged, http, f"fault={fault}", stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    event = staged.event(answer.headers["x-request-id"])
    attempts = 2 if fault in ASKED_TWICE else 1
    assert (event["status"], event["error_code"], event["attempts"]) == (status, code, attempts)
    assert answer.headers["x-lumigate-attempts"] == str(attempts)
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("fault", IN_AN_ANSWER)
def test_an_answer_that_cannot_be_used_is_a_502(staged: Stage, http: httpx.Client, fault: str) -> None:
    answer = ask(staged, http, f"fault={fault}", stream=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == IN_AN_ANSWER[fault]


@pytest.mark.parametrize("fault", IN_A_STREAM)
def test_a_fault_in_a_stream_ends_it_with_an_error_event(
    staged: Stage, http: httpx.Client, fault: str
) -> None:
    outcome, code = IN_A_STREAM[fault]
    answer = ask(staged, http, f"fault={fault} after=2", stream=True)
    assert answer.status_code == 200
    received = events(answer)
    assert "error" in received[-1]
    assert all("choices" in event for event in received[:-1])
    event = staged.event(answer.headers["x-request-id"])
    assert (event["outcome"], event["error_code"], event["status"]) == (outcome, code, 200)


def test_split_events_and_characters_arrive_whole(staged: Stage, http: httpx.Client) -> None:
    answer = ask(staged, http, "fault=split bytes=7", stream=True)
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events(answer))
    assert "�" not in text
    assert answer.text.endswith("data: [DONE]\n\n")
    assert staged.event(answer.headers["x-request-id"])["outcome"] == "complete"


def test_an_answer_that_was_finished_but_not_marked_so_is_complete(staged: Stage, http: httpx.Client) -> None:
    answer = ask(staged, http, "fault=no-done", stream=True)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert staged.event(answer.headers["x-request-id"])["outcome"] == "complete"


def test_a_huge_answer_passes(staged: Stage, http: httpx.Client) -> None:
    answer = ask(staged, http, "fault=huge bytes=2000000", stream=False)
    assert answer.status_code == 200
    assert len(answer.json()["choices"][0]["message"]["content"]) > 1_900_000
