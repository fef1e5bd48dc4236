"""Personal data beside the words of a conversation: who the user is, what a model thought, labels on the request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    chunk,
    completion,
    event,
    json_answer,
    stream_answer,
    whole_body,
)
from tests.fakes.gateway import error_of
from tests.gateway.rig import with_upstream

MAIL = "ada@example.com"
ABOUT_ADA: list[dict[str, Any]] = [
    {"user": MAIL},
    {"safety_identifier": MAIL},
    {"prompt_cache_key": f"of {MAIL}"},
    {"metadata": {"customer": MAIL, "plan": "gold"}},
    {"messages": [{"role": "assistant", "content": "Hi.", "reasoning_content": f"It is {MAIL}."}]},
]
EACH = pytest.mark.parametrize("about", ABOUT_ADA, ids=lambda about: next(iter(about)))


@EACH
async def test_it_is_masked_on_its_way_out(about: dict[str, Any]) -> None:
    rig = with_upstream(PRIVACY_POLICY="mask")
    assert (await rig.send(body={**CHAT_BODY, **about})).status == 200
    sent = rig.ports.fetch.calls[0].body or b""
    assert MAIL.encode() not in sent
    assert b"[email]" in sent


@EACH
async def test_it_is_refused_where_the_policy_says_so(about: dict[str, Any]) -> None:
    rig = with_upstream(PRIVACY_POLICY="block")
    response = await rig.send(body={**CHAT_BODY, **about})
    assert (response.status, error_of(response)["code"]) == (400, "personal_data")
    assert rig.ports.fetch.calls == []


async def test_labels_without_it_are_sent_as_they_are() -> None:
    rig = with_upstream(PRIVACY_POLICY="mask")
    labels = {"metadata": {"plan": "gold", "n": 5}, "user": "u-1"}
    await rig.send(body={**CHAT_BODY, **labels})
    assert rig.ports.fetch.calls[0].json.items() >= labels.items()


ASKED = {**CHAT_BODY, "messages": [{"role": "user", "content": f"Write to {MAIL}."}]}


async def test_thoughts_get_their_values_back_too() -> None:
    answer = completion("Done.")
    answer["choices"][0]["message"]["reasoning_content"] = "So it is <EMAIL_1>."
    rig = with_upstream(json_answer(answer), PRIVACY_POLICY="tokens")
    message = json.loads(await whole_body(await rig.send(body=ASKED)))["choices"][0]["message"]
    assert message["reasoning_content"] == f"So it is {MAIL}."


async def test_thoughts_in_a_stream_come_whole_before_the_words() -> None:
    def thought(text: str) -> bytes:
        return event(
            chunk(choices=[{"index": 0, "delta": {"reasoning_content": text}, "finish_reason": None}])
        )

    rig = with_upstream(
        stream_answer(
            thought("So it is <EMA"),
            thought("IL_1>, or <EM"),
            event(chunk("To <EMAIL")),
            event(chunk("_1>.")),
            event(chunk(finish_reason="stop")),
            DONE_EVENT,
        ),
        PRIVACY_POLICY="tokens",
    )
    body = await whole_body(await rig.send(body={**ASKED, "stream": True}))
    deltas = [
        json.loads(line[6:])["choices"][0]["delta"]
        for line in body.splitlines()
        if line.startswith(b"data: {")
    ]
    thoughts = [delta.get("reasoning_content") or "" for delta in deltas]
    words = [delta.get("content") or "" for delta in deltas]
    assert "".join(thoughts) == f"So it is {MAIL}, or <EM"
    assert "".join(words) == f"To {MAIL}."
    first_word = next(index for index, word in enumerate(words) if word)
    assert not any(thoughts[first_word + 1 :])
