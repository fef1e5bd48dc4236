"""A provider that says nothing, or nothing more: 504 or an error event in time, and its true outcome in telemetry.

The gateway here has little patience; every other test's has much, so that a busy machine is not taken for a provider
that is silent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.blackbox.conftest import PATIENCE, Stage, stage_with
from tests.blackbox.test_providers import MODELS
from tests.blackbox.test_upstream_faults import CHAT, events

SETTINGS = {"UPSTREAM_TIMEOUT_SECONDS": "6", "STREAM_IDLE_SECONDS": "1"}
"""Whoever stalls has begun before: a machine that takes its time must not make that a 504."""


@pytest.fixture(scope="module", params=["embedded", "pyodide"])
def impatient(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with stage_with(request.param, SETTINGS) as running:
        yield running


def ask(stage: Stage, model: str, directive: str, *, stream: bool) -> httpx.Response:
    content = f"[[mock {directive}]] {uuid.uuid4()}"
    body = {"model": model, "messages": [{"role": "user", "content": content}], "stream": stream}
    return httpx.post(f"{stage.url}{CHAT}", json=body, headers=stage.headers(), timeout=PATIENCE)


def test_one_that_never_answers_is_a_504_whole_or_streamed(impatient: Stage) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda stream: ask(impatient, MODELS["openai"], "fault=timeout", stream=stream), (False, True)
            )
        )
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
        event = impatient.event(answer.headers["x-request-id"])
        assert (event["status"], event["error_code"], event["attempts"]) == (504, "upstream_timeout", 1)
        assert answer.headers["x-lumigate-attempts"] == "1"
    assert httpx.get(f"{impatient.url}/health", timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize("provider", MODELS)
def test_one_that_falls_silent_ends_the_stream_with_an_error_event(impatient: Stage, provider: str) -> None:
    answer = ask(impatient, MODELS[provider], "fault=stall after=6", stream=True)
    assert answer.status_code == 200
    received = events(answer)
    assert "error" in received[-1]
    assert all("choices" in event for event in received[:-1])
    assert "[DONE]" not in answer.text
    assert "\ufffd" not in answer.text
    event = impatient.event(answer.headers["x-request-id"])
    assert (event["outcome"], event["error_code"]) == ("upstream_error", "upstream_timeout")
    assert event["status"] == 200
