"""What a model says, by `PRIVACY_ANSWERS`: what goes out, what the cache keeps, what is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from lumigate.http.sse import split_events
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.dialects.openai import OPENAI_DIALECT
from lumigate.privacy.answer_masks import AnswerMasks
from lumigate.privacy.chunk_masks import ChunkMasker
from lumigate.privacy.guard import PrivacyGuard
from lumigate.privacy.mask import AnswerPolicy, Policy, mask
from lumigate.privacy.stream import MAX_HELD_CHARS
from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    UPSTREAM_URL,
    FakeAnswer,
    GatewayUnderTest,
    chunk,
    completion,
    event,
    json_answer,
    make_gateway,
    stream_answer,
    whole_body,
)
from tests.privacy.samples import CUTS, TEXTS, pieces_of

MAIL, OTHER = "ada@example.com", "bob@example.org"
ASKED: dict[str, Any] = {**CHAT_BODY, "messages": [{"role": "user", "content": f"Write to {MAIL} please."}]}
THEIRS = "https://anthropic.example/v1/messages"


def gateway(*answers: FakeAnswer, **environ: Any) -> GatewayUnderTest:
    rig = make_gateway(**{"PRIVACY_ANSWERS": "mask", **environ})
    rig.ports.fetch.script(UPSTREAM_URL, *answers)
    return rig


def stream_of(*texts: str) -> FakeAnswer:
    finish = event(chunk(finish_reason="stop"))
    return stream_answer(*[event(chunk(text)) for text in texts], finish, DONE_EVENT)


def told(stream: bytes) -> str:
    documents = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
    return "".join(it["choices"][0]["delta"].get("content", "") for it in documents if it.get("choices"))


def found(rig: GatewayUnderTest) -> float:
    return rig.observed.total("lumigate.privacy.findings", lumigate__privacy__kind="email")


async def test_a_whole_answer_is_masked_and_counted() -> None:
    rig = gateway(json_answer(completion(f"Ask {OTHER}, not {MAIL}.")))
    answer = json.loads(await whole_body(await rig.send(body=ASKED)))
    assert answer["choices"][0]["message"]["content"] == "Ask [email], not [email]."
    assert answer["usage"]["total_tokens"] == 1500
    assert found(rig) == 2


@given(text=TEXTS, cuts=CUTS)
async def test_a_stream_is_masked_as_the_whole_text_however_it_is_cut(text: str, cuts: list[int]) -> None:
    rig = gateway(stream_of("Well. ", *pieces_of(text, cuts)))
    stream = await whole_body(await rig.send(body={**ASKED, "stream": True}))
    assert told(stream) == mask(f"Well. {text}")
    assert stream.endswith(DONE_EVENT)


async def test_the_callers_own_values_come_back_and_others_do_not() -> None:
    said = f"I wrote to <EMAIL_1> and {OTHER}."
    wanted = f"I wrote to {MAIL} and [email]."
    rig = gateway(json_answer(completion(said)), PRIVACY_POLICY="tokens")
    answer = json.loads(await whole_body(await rig.send(body=ASKED)))
    assert answer["choices"][0]["message"]["content"] == wanted
    rig = gateway(stream_of(*said), PRIVACY_POLICY="tokens")
    assert told(await whole_body(await rig.send(body={**ASKED, "stream": True}))) == wanted


async def test_the_cache_keeps_what_went_out() -> None:
    rig = gateway(stream_of("Ask bob@exa", "mple.org."))
    first = await whole_body(await rig.send(body={**ASKED, "stream": True}))
    again = await rig.send(body={**ASKED, "stream": True})
    whole = await rig.send(body=ASKED)
    assert again.headers["x-lumigate-cache"] == whole.headers["x-lumigate-cache"] == "hit-l1"
    assert await whole_body(again) == first
    assert told(first) == "Ask [email]."
    assert b"Ask [email]." in await whole_body(whole)
    assert found(rig) == 1, "a hit finds nothing anew"


async def test_an_answer_from_before_the_setting_is_another_to_the_cache() -> None:
    keys = set()
    for answers in ("off", "mask"):
        rig = gateway(json_answer(completion(f"Ask {OTHER}.")), PRIVACY_ANSWERS=answers)
        keys.add((await rig.send(body=ASKED)).headers["x-lumigate-cache-key"])
    assert len(keys) == 2


@pytest.mark.parametrize("policy", ["off", "tokens"])
@pytest.mark.parametrize("stream", [False, True])
async def test_anthropics_own_answers_are_masked_at_anthropics_door(policy: str, stream: bool) -> None:
    """Where the provider speaks the door's words, its answers would pass byte by byte."""
    own: dict[str, Any] = {
        "MODELS": json.dumps({"claude": {"provider": "anthropic", "model": "claude-sonnet-4-5"}}),
        "ANTHROPIC_API_KEY": "sk-ant",
        "ANTHROPIC_BASE_URL": "https://anthropic.example",
    }
    rig = make_gateway(PRIVACY_ANSWERS="mask", PRIVACY_POLICY=policy, **own)
    said = f"Ask {OTHER}."
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "c", "usage": usage}
    if stream:
        grown = [{"type": "text_delta", "text": sign} for sign in said]
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**message, "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in grown),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        ]
        rig.ports.fetch.script(THEIRS, stream_answer(*map(event, events)))
    else:
        content = [{"type": "text", "text": said}]
        whole = {**message, "content": content, "stop_reason": "end_turn"}
        rig.ports.fetch.script(THEIRS, json_answer(whole))
    body = {"model": "claude", "max_tokens": 10, "messages": ASKED["messages"], "stream": stream}
    answer = await whole_body(await rig.send(path="/v1/messages", body=body))
    assert OTHER.encode() not in answer
    if not stream:
        assert json.loads(answer)["content"] == [{"type": "text", "text": "Ask [email]."}]
        return
    lines = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith(b"data: {")]
    assert "".join(it["delta"].get("text", "") for it in lines if "delta" in it) == "Ask [email]."
    assert lines[-1]["type"] == "message_stop"


async def test_a_stream_that_breaks_off_tells_what_it_held_back_masked() -> None:
    rig = gateway(stream_answer(event(chunk("Ask bob@exa")), event(chunk("mple.org"))))
    stream = await whole_body(await rig.send(body={**ASKED, "stream": True}))
    assert told(stream) == "Ask [email]"
    assert b'"error"' in stream


async def test_a_provider_that_fails_in_the_stream_quotes_nobody() -> None:
    failure = {"error": {"message": f"cannot reach {OTHER}", "type": "server_error"}}
    rig = gateway(stream_answer(event(chunk("Hi. ")), event(failure), DONE_EVENT))
    stream = (await whole_body(await rig.send(body={**ASKED, "stream": True}))).decode()
    assert "cannot reach [email]" in stream
    assert OTHER not in stream


def test_off_adds_nothing_to_the_way_out_and_vectors_have_no_text() -> None:
    scope: Any = None  # not asked for anything
    chat = ChatRequest.parse(ASKED)
    for policy in (Policy.OFF, Policy.MASK):
        guard = PrivacyGuard(policy, AnswerPolicy.OFF)
        assert guard.writer(scope, chat, OPENAI_DIALECT, None) is OPENAI_DIALECT
    guard, vectors = PrivacyGuard(Policy.OFF, AnswerPolicy.MASK), replace(chat, operation=EMBEDDINGS)
    assert guard.writer(scope, vectors, OPENAI_DIALECT, None) is OPENAI_DIALECT
    assert guard.check(scope, vectors) == (vectors, None)


async def test_a_comment_passes_and_what_cannot_be_read_does_not() -> None:
    deep = b"data: " + b"[" * 500 + f'"{OTHER}"'.encode() + b"]" * 500 + b"\n\n"
    end = event(chunk(" All well.", "stop"))
    rig = gateway(stream_answer(event(chunk("Hi.")), b": ping\n\n", deep, end, DONE_EVENT))
    stream = await whole_body(await rig.send(body={**ASKED, "stream": True}))
    assert OTHER.encode() not in stream
    assert b": ping\n\n" in list(split_events(stream))
    assert told(stream) == "Hi. All well."


@pytest.mark.parametrize("sign", ["x", "\\\\", "1", "="])
@pytest.mark.parametrize("in_arguments", [False, True])
def test_what_is_held_back_stays_under_a_bound(sign: str, in_arguments: bool) -> None:
    masker = ChunkMasker(AnswerMasks(lambda _: None))
    went_in = came_out = 0
    for number in range(400):
        text = ('{"a":"' if not number and in_arguments else "") + sign * 100
        call = {"index": 0, "function": {"arguments": text}}
        delta = {"tool_calls": [call]} if in_arguments else {"content": text}
        (chunk_out,) = masker.feed({"choices": [{"index": 0, "delta": delta}]})
        out: Any = chunk_out["choices"][0]["delta"]
        went_in += len(text)
        came_out += len(out["tool_calls"][0]["function"]["arguments"] if in_arguments else out["content"])
        assert went_in - came_out <= MAX_HELD_CHARS + len(text)
    assert came_out > 20_000
