"""Anthropic's events told as a message and back: nothing that was said is lost, and nothing is made up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.cache.anthropic_forms import as_events, as_message, is_anthropics
from lumigate.cache.entry import EVENT_STREAM, Entry
from lumigate.cache.forms import body_for
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from tests.fakes import json_answer, stream_answer
from tests.fakes.gateway import STREAM, WITH_KEY, completion, whole_body
from tests.gateway.rig import with_upstream

WORDS = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
CITATION = st.fixed_dictionaries({"type": st.just("char_location"), "cited_text": WORDS})
BLOCKS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": WORDS},
        optional={"citations": st.none() | st.lists(CITATION, min_size=1, max_size=2)},
    ),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": WORDS, "signature": WORDS}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": WORDS}),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tool_use", "server_tool_use"]),
            "id": WORDS,
            "name": WORDS,
            "input": st.dictionaries(WORDS, JSON, max_size=3),
        }
    ),
    st.fixed_dictionaries({"type": st.just("web_search_tool_result"), "content": st.lists(JSON, max_size=2)}),
)
USAGE = {"input_tokens": 3, "cache_read_input_tokens": 1, "output_tokens": 4}


def entry(body: bytes, *, stream: bool) -> Entry:
    return Entry(
        content_type=EVENT_STREAM if stream else "application/json",
        provider="anthropic",
        model="m",
        input_tokens=3,
        output_tokens=4,
        cost_usd=0.0,
        asked_ns=0,
        fresh_ns=1,
        expires_ns=1,
        body=body,
    )


def message(*blocks: dict[str, Any], **changes: Any) -> Entry:
    document = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **changes,
    }
    return entry(json.dumps(document).encode(), stream=False)


def events(*documents: dict[str, Any]) -> Entry:
    written = b"".join(
        b"event: %b\ndata: %b\n\n" % (document["type"].encode(), json.dumps(document).encode())
        for document in documents
    )
    return entry(written, stream=True)


START = {"type": "message_start", "message": {"type": "message", "id": "msg_1", "content": [], "usage": {}}}
STOP = {"type": "message_stop"}


@given(st.lists(BLOCKS, max_size=4))
def test_a_message_told_as_events_and_back_is_the_same_message(blocks: list[dict[str, Any]]) -> None:
    kept = message(*blocks)
    told = as_events(kept)
    assert told is not None
    back = as_message(entry(told, stream=True))
    assert back is not None
    assert json.loads(back) == json.loads(kept.body)


@given(JSON)
def test_a_block_of_any_shape_is_told_as_it_is_or_not_at_all(block: Any) -> None:
    for content in (block, [block], [{"type": block, "text": block, "input": block}]):
        as_events(message(content=content))


@given(st.lists(JSON, min_size=1, max_size=3))
def test_events_of_any_shape_are_understood_or_are_none(said: list[Any]) -> None:
    for value in said:
        for event in (
            {"type": "message_start", "message": value},
            {"type": "content_block_start", "index": value, "content_block": value},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": value}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": value, "text": value}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": value},
            },
            {"type": "message_delta", "delta": value, "usage": value},
        ):
            opened = {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            }
            as_message(events(START, opened, event, STOP))


@given(st.binary(max_size=80))
def test_what_is_no_stream_of_theirs_is_none(body: bytes) -> None:
    assert as_message(entry(body, stream=True)) is None
    assert not is_anthropics(entry(body, stream=True))


@pytest.mark.parametrize(
    "documents",
    [
        (START,),
        (STOP,),
        (START, {"type": "from_the_future"}, STOP),
        (START, {"type": "error", "error": {}}, STOP),
        (
            START,
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
            STOP,
        ),
        (
            START,
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta"}},
            STOP,
        ),
        (
            START,
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": ["text_delta"], "text": "x"}},
            STOP,
        ),
        (
            START,
            {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": '{"a":'},
            },
            {"type": "content_block_stop", "index": 0},
            STOP,
        ),
    ],
)
def test_a_stream_that_is_not_understood_whole_is_none(documents: tuple[dict[str, Any], ...]) -> None:
    assert as_message(events(*documents)) is None


def test_what_betas_say_at_the_end_is_part_of_the_message() -> None:
    said = {"stop_reason": "end_turn"}
    ending = {
        "type": "message_delta",
        "delta": said,
        "usage": {"input_tokens": None},
        "context_management": {"a": 1},
    }
    told = json.loads(as_message(events(START, {"type": "ping"}, ending, STOP)) or b"{}")
    assert (told["context_management"], told["stop_reason"], told["usage"]) == ({"a": 1}, "end_turn", {})


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"type":"message"}', b'{"type":"message","content":[1]}'])
def test_what_is_no_message_is_none(body: bytes) -> None:
    assert as_events(entry(body, stream=False)) is None


def test_the_form_that_was_kept_goes_out_as_it_is() -> None:
    kept = message({"type": "text", "text": "Hi."})
    assert body_for(kept, stream=False, wants_usage=True) is kept.body
    streamed = replace(events(START, STOP))
    assert body_for(streamed, stream=True, wants_usage=True) is streamed.body


def test_what_we_write_of_another_providers_stream_is_understood() -> None:
    outlet = ANTHROPIC_DIALECT.outlet(native=False)
    written = b"".join(outlet.pass_on(block) for block in STREAM)
    told = as_message(entry(written, stream=True))
    assert told is not None
    document = json.loads(told)
    assert document["content"] == [{"type": "text", "text": "Grüße, Welt 🌍"}]
    assert (document["stop_reason"], document["usage"]["output_tokens"]) == ("end_turn", 500)


@pytest.mark.parametrize("first", ["stream", "whole"])
async def test_at_the_door_one_form_answers_for_the_other(first: str) -> None:
    answer = stream_answer(*STREAM) if first == "stream" else json_answer(completion("Grüße, Welt 🌍"))
    rig = with_upstream(answer)
    asked: dict[str, Any] = {
        "model": "fast",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hello"}],
    }
    told = []
    for stream in (first == "stream", first != "stream"):
        body = {**asked, "stream": True} if stream else asked
        response = await rig.send(path="/v1/messages", headers=WITH_KEY, body=body)
        content = await whole_body(response)
        told.append(json.loads(as_message(entry(content, stream=True)) or b"{}" if stream else content))
    assert told[0]["content"] == told[1]["content"] == [{"type": "text", "text": "Grüße, Welt 🌍"}]
    assert told[0]["usage"] == told[1]["usage"]
    assert [event["cache"] for event in rig.events] == ["miss", "hit-l1"]
    assert len(rig.ports.fetch.calls) == 1


def test_a_call_whose_arguments_never_ended_is_no_message() -> None:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"type": "message", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_stop"},
    ]

    def told(*said: dict[str, Any]) -> bytes | None:
        body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in said)
        return as_message(entry(body, stream=True))

    assert told(*events) is not None
    assert told(*events[:3], events[4]) is None
