"""Personal data beside the words of a conversation: who the user is, what a model thought, labels on the request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    UPSTREAM_URL,
    GatewayUnderTest,
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
    {"messages": [{"role": "user", "name": MAIL, "content": "Hi."}]},
]
THEIR_OWN: dict[str, Any] = {
    "PROVIDERS": {"mine": {"base_url": UPSTREAM_URL.removesuffix("/chat/completions")}},
    "MODELS": {"fast": {"provider": "mine", "model": "gpt"}},
}
"""A server that takes more than OpenAI does, such as the thoughts of earlier answers."""
EACH = pytest.mark.parametrize("about", ABOUT_ADA, ids=str)


@EACH
async def test_it_is_masked_on_its_way_out(about: dict[str, Any]) -> None:
    rig = with_upstream(PRIVACY_POLICY="mask", **THEIR_OWN)
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


async def test_the_name_of_who_speaks_gets_no_token_which_openai_would_refuse() -> None:
    """https://platform.openai.com/docs/api-reference/chat/create: neither blanks, `<`, `|`, `\\`, `/` nor `>`."""
    rig = with_upstream(PRIVACY_POLICY="tokens")
    message = {"role": "user", "name": MAIL, "content": f"I am {MAIL}."}
    assert (await rig.send(body={**CHAT_BODY, "messages": [message]})).status == 200
    (sent,) = rig.ports.fetch.calls[0].json["messages"]
    assert (sent["name"], sent["content"]) == ("[email]", "I am <EMAIL_1>.")


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


EMBED = {"model": "fast", "input": [f"Write to {MAIL}.", "Nothing here."], "user": MAIL}
EMBEDDED = {
    "object": "list",
    "model": "gpt",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
}


def embedding_rig(policy: str) -> GatewayUnderTest:
    rig = with_upstream(PRIVACY_POLICY=policy)
    rig.ports.fetch.script(UPSTREAM_URL.replace("chat/completions", "embeddings"), json_answer(EMBEDDED))
    return rig


@pytest.mark.parametrize("policy", ["mask", "tokens"])
@pytest.mark.parametrize("asked", [EMBED, {**EMBED, "input": EMBED["input"][0]}], ids=["several", "one"])
async def test_what_is_embedded_is_masked_on_its_way_out(policy: str, asked: dict[str, Any]) -> None:
    """With marks under either policy: there is no answer that values could be put back into."""
    rig = embedding_rig(policy)
    assert (await rig.send(path="/v1/embeddings", body=asked)).status == 200
    sent = rig.ports.fetch.calls[0].json
    texts = sent["input"] if isinstance(sent["input"], list) else [sent["input"]]
    assert texts == ["Write to [email].", "Nothing here."][: len(texts)]
    assert sent["user"] == "[email]"


async def test_what_would_be_embedded_is_refused_where_the_policy_says_so() -> None:
    rig = embedding_rig("block")
    for asked in (EMBED, {**EMBED, "input": "Nothing here."}):
        response = await rig.send(path="/v1/embeddings", body=asked)
        assert (response.status, error_of(response)["code"]) == (400, "personal_data")
    assert rig.ports.fetch.calls == []
    clean = {"model": "fast", "input": [[1, 2, 3]]}
    assert (await rig.send(path="/v1/embeddings", body=clean)).status == 200
