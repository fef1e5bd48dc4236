"""What repeats is answered from the cache; tenants never share; an incomplete answer is never kept."""

from __future__ import annotations

import time
import uuid

import httpx

from tests.blackbox.conftest import Stage

CHAT = "/v1/chat/completions"


def question(text: str = "", **more: object) -> dict[str, object]:
    return {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"{text} {uuid.uuid4()}"}],
        **more,
    }


def test_a_repeated_question_is_answered_from_memory(stage: Stage, http: httpx.Client) -> None:
    body = question()
    first = http.post(CHAT, json=body, headers=stage.headers())
    second = http.post(CHAT, json=body, headers=stage.headers())
    assert (first.headers["x-lumigate-cache"], first.headers["x-lumigate-attempts"]) == ("miss", "1")
    assert second.headers["x-lumigate-cache"].startswith("hit-")
    assert second.headers["x-lumigate-attempts"] == "0"
    assert second.headers["x-lumigate-provider"] == "openai"
    assert second.content == first.content


def test_a_repeated_stream_is_replayed_as_a_stream(stage: Stage, http: httpx.Client) -> None:
    body = question(stream=True)
    first = http.post(CHAT, json=body, headers=stage.headers())
    second = http.post(CHAT, json=body, headers=stage.headers())
    assert second.headers["x-lumigate-cache"].startswith("hit-")
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.content == first.content
    assert second.content.endswith(b"data: [DONE]\n\n")


def test_tenants_never_share_an_answer(staged: Stage, http: httpx.Client) -> None:
    body = question()
    for tenant in ("red", "blue"):
        headers = {"authorization": f"Bearer {staged.token(tenant=tenant)}"}
        assert http.post(CHAT, json=body, headers=headers).headers["x-lumigate-cache"] == "miss"


def test_no_cache_goes_past_it(stage: Stage, http: httpx.Client) -> None:
    body = question()
    for _ in range(2):
        answer = http.post(CHAT, json=body, headers=stage.headers(**{"cache-control": "no-cache"}))
        assert (answer.headers["x-lumigate-cache"], answer.headers["x-lumigate-attempts"]) == ("bypass", "1")


def test_a_cut_stream_is_not_kept(staged: Stage, http: httpx.Client) -> None:
    body = question("[[mock fault=half-event-clean]]", stream=True)
    for _ in range(2):
        answer = http.post(CHAT, json=body, headers=staged.headers())
        assert answer.headers["x-lumigate-cache"] == "miss"


def test_an_error_is_not_kept(staged: Stage, http: httpx.Client) -> None:
    body = question("[[mock fault=status-500 times=2]]")
    assert http.post(CHAT, json=body, headers=staged.headers()).status_code == 502
    assert http.post(CHAT, json=body, headers=staged.headers()).status_code == 200


def test_what_memory_does_not_take_is_found_in_the_tier_below(staged: Stage, http: httpx.Client) -> None:
    """It went there sealed, and comes back opened."""
    body = question("[[mock fault=huge bytes=4000000]]")
    first = http.post(CHAT, json=body, headers=staged.headers())
    deadline = time.monotonic() + 10
    again = first
    while again.headers["x-lumigate-cache"] == "miss" and time.monotonic() < deadline:
        again = http.post(CHAT, json=body, headers=staged.headers())
    assert again.headers["x-lumigate-cache"] == "hit-l2"
    assert again.json()["choices"] == first.json()["choices"]
