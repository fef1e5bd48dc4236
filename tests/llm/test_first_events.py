"""What stands before the first event of a stream is no part of the answer, and does not count as its beginning."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from lumigate.http.types import Response
from lumigate.ports import StreamInterrupted
from tests.fakes import (
    CHAT_BODY,
    STREAM,
    USAGE_EVENT,
    GatewayUnderTest,
    Piece,
    chunk,
    error_of,
    event,
    json_answer,
    make_gateway,
    stream_answer,
    whole_body,
)
from tests.llm.dispatch.rig import ALPHA, BETA, good, make_rig

COMMENT = b": OPENROUTER PROCESSING\n\n"
STREAMED = {**CHAT_BODY, "stream": True}
TOLD = b"".join(STREAM).replace(USAGE_EVENT, b"")


@pytest.mark.parametrize(
    "before",
    [
        [COMMENT],
        [COMMENT, COMMENT + COMMENT],
        [b": one\r\n\r\n", b"retry: 3000\n\n"],
        [b"\xef\xbb\xbf"],
        [b"\xef\xbb\xbf" + COMMENT],
        [b"\n\n"],
    ],
)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
async def test_a_stream_begins_with_its_first_event(before: list[bytes], together: bool) -> None:
    rig = make_rig("alpha")
    pieces: Iterable[Piece] = [b"".join([*before, *STREAM])] if together else [*before, *STREAM]
    rig.ports.fetch.script(ALPHA, stream_answer(*pieces))
    response = await rig.send(body=STREAMED)
    assert await whole_body(response) == TOLD


async def test_a_comment_is_no_first_chunk_to_the_clock_that_ranks_candidates() -> None:
    rig = make_rig("alpha")
    clock = rig.ports.clock
    rig.ports.fetch.script(ALPHA, stream_answer(COMMENT, lambda: clock.advance(2), *STREAM))
    await whole_body(await rig.send(body=STREAMED))
    told = rig.observed.span("chat alpha-model").attributes["lumigate.llm.first_chunk_ms"]
    assert isinstance(told, float)
    assert told >= 2000


async def test_a_stream_that_fails_after_a_comment_is_still_asked_of_the_next() -> None:
    rig = make_rig("alpha", "beta", RETRY_ATTEMPTS="1")
    rig.ports.fetch.script(ALPHA, stream_answer(COMMENT, StreamInterrupted("connection")))
    rig.ports.fetch.script(BETA, stream_answer(*STREAM))
    response = await rig.send(body=STREAMED)
    assert await whole_body(response) == TOLD
    assert response.headers["x-lumigate-provider"] == "beta"


@pytest.mark.parametrize("drop", [COMMENT, b"d"], ids=["comments", "bytes"])
async def test_a_stream_that_dribbles_without_an_event_is_given_up_at_the_deadline(drop: bytes) -> None:
    rig = make_rig("alpha", RETRY_ATTEMPTS="1", REQUEST_DEADLINE_SECONDS="5")
    clock = rig.ports.clock
    dribble: list[Piece] = [piece for _ in range(100) for piece in (drop, lambda: clock.advance(1))]
    answer = stream_answer(*dribble)
    rig.ports.fetch.script(ALPHA, answer)
    response = await rig.send(body=STREAMED)
    assert (response.status, error_of(response)["code"]) == (504, "upstream_timeout")
    assert answer.cancelled
    assert answer.read_bytes <= 7 * len(drop)


# --- what is counted of a stream that was cut


async def test_tokens_are_estimated_whatever_the_line_ends() -> None:
    rig = make_rig("alpha")
    words = [event(chunk(f"{n} ")) for n in range(20)]
    pieces = [*words, event(chunk(finish_reason="stop")), b"data: [DONE]\n\n"]
    rig.ports.fetch.script(ALPHA, stream_answer(*(piece.replace(b"\n", b"\r\n") for piece in pieces)))
    await whole_body(await rig.send(body=STREAMED))
    assert rig.events[0]["output_tokens"] >= 20


def anthropics(document: dict[str, Any]) -> bytes:
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["translated", "native"])
async def test_an_answer_that_was_cut_costs_what_was_said_of_it(path: str) -> None:
    """Anthropic counts one token at the beginning and all of them at the end."""
    rig, response = await cut_after(200, path)
    await whole_body(response)
    (told,) = rig.events
    assert told["output_tokens"] >= 200
    assert told["input_tokens"] == 30
    (labels,) = rig.observed.labels("lumigate.llm.cost")
    assert labels["lumigate.llm.cost.source"] == "estimated"


async def test_an_answer_that_was_cut_after_its_counts_costs_what_they_say() -> None:
    told = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}
    rig, response = await cut_after(200, "/v1/messages", anthropics(told))
    await whole_body(response)
    assert rig.events[0]["output_tokens"] == 20


async def cut_after(words: int, path: str, *then: Piece) -> tuple[GatewayUnderTest, Response]:
    model = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
    rig = make_gateway(
        MODELS=json.dumps({"fast": model}),
        ANTHROPIC_API_KEY="k",
        ANTHROPIC_BASE_URL="https://anthropic.example",
    )
    started = {
        "type": "message_start",
        "message": {"id": "m", "usage": {"input_tokens": 30, "output_tokens": 1}},
    }
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
    pieces: list[Piece] = [
        anthropics(started),
        *[anthropics(delta)] * words,
        *then,
        StreamInterrupted("connection"),
    ]
    rig.ports.fetch.script("https://anthropic.example/v1/messages", stream_answer(*pieces))
    return rig, await rig.send(path=path, body={**STREAMED, "max_tokens": 1000})


# --- failures in words


FAILED_IN_WORDS: dict[str, dict[str, Any]] = {
    "an error beside the choices": {
        "choices": [{"index": 0, "message": {"content": "Hal"}, "finish_reason": "error"}],
        "error": {"message": "overloaded"},
    },
}


@pytest.mark.parametrize("failure", FAILED_IN_WORDS)
async def test_a_whole_answer_that_says_it_failed_is_asked_again_and_never_kept(failure: str) -> None:
    rig = make_rig("alpha")
    rig.ports.fetch.script(ALPHA, json_answer(FAILED_IN_WORDS[failure]), good("Whole."))
    response = await rig.send()
    assert json.loads(await whole_body(response))["choices"][0]["message"]["content"] == "Whole."
    assert response.headers["x-lumigate-attempts"] == "2"


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
async def test_a_whole_answer_of_cohere_that_failed_is_no_answer(reason: str) -> None:
    rig = make_gateway(
        MODELS=json.dumps({"fast": {"provider": "cohere", "model": "command-a"}}),
        COHERE_API_KEY="k",
        COHERE_BASE_URL="https://cohere.example",
        RETRY_ATTEMPTS="1",
    )
    half = {"id": "c", "finish_reason": reason, "message": {"content": [{"type": "text", "text": "Hal"}]}}
    rig.ports.fetch.script("https://cohere.example/v2/chat", json_answer(half))
    response = await rig.send()
    assert (response.status, error_of(response)["code"]) == (502, "upstream_failed")


# --- what stands at the end of a stream, and what cannot be read in it


@pytest.mark.parametrize("end", [b"data: [DONE]\n", b"data: [DONE]", b"data:[DONE]\r\n"])
async def test_a_stream_that_ends_without_its_last_blank_line_is_complete(end: bytes) -> None:
    rig = make_rig("alpha")
    rig.ports.fetch.script(ALPHA, stream_answer(*STREAM[:-1], end))
    told = await whole_body(await rig.send(body=STREAMED))
    assert b"error" not in told
    assert told.endswith(b"\n\n")
    assert rig.events[0]["outcome"] == "complete"


async def test_an_answer_in_one_event_without_a_blank_line_is_complete() -> None:
    rig = make_rig("alpha")
    rig.ports.fetch.script(ALPHA, stream_answer(event(chunk("Hi.", finish_reason="stop")).rstrip()))
    told = await whole_body(await rig.send(body=STREAMED))
    assert b'"Hi."' in told
    assert rig.events[0]["outcome"] == "complete"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
async def test_what_comes_after_the_end_is_no_part_of_the_answer(path: str, together: bool) -> None:
    rig = make_rig("alpha")
    pieces = [*STREAM, event(chunk("More."))]
    rig.ports.fetch.script(ALPHA, stream_answer(*([b"".join(pieces)] if together else pieces)))
    told = await whole_body(await rig.send(path=path, body={**STREAMED, "max_tokens": 9}))
    assert b"Welt" in told
    assert b"More." not in told


@pytest.mark.parametrize("junk", [b"data: {oops\n\n", b'data: {"a":"\xff"}\n\n'], ids=["no json", "no utf-8"])
@pytest.mark.parametrize("first", [False, True], ids=["later", "first"])
async def test_an_event_that_must_be_read_and_cannot_fails_the_stream(junk: bytes, first: bool) -> None:
    """Left out, its words would be missing from an answer that looks complete, and would be kept so."""
    rig = make_rig("alpha", RETRY_ATTEMPTS="1")
    pieces = [junk, *STREAM] if first else [STREAM[0], junk, *STREAM[1:]]
    rig.ports.fetch.script(ALPHA, stream_answer(*pieces), stream_answer(*STREAM))
    body = {**STREAMED, "max_tokens": 9}
    response = await rig.send(path="/v1/messages", body=body)
    told = await whole_body(response)
    assert b"upstream_bad_answer" in told
    assert response.status == (502 if first else 200)
    again = await rig.send(path="/v1/messages", body=body)
    assert again.headers["x-lumigate-cache"] == "miss"
