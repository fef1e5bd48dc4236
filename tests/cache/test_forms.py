"""A stream told as a whole answer and back: nothing that was said is lost, and nothing is made up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lumigate.cache.entry import EVENT_STREAM, Entry
from lumigate.cache.forms import as_stream, as_whole, body_for

WORDS = st.text(max_size=12)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=5),
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": st.text(min_size=1, max_size=8), "arguments": WORDS}),
        }
    ),
    min_size=1,
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": WORDS},
    optional={"reasoning_content": st.text(min_size=1, max_size=9), "tool_calls": CALLS},
)


def whole(*messages: dict[str, Any]) -> Entry:
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
        for index, message in enumerate(messages)
    ]
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    document = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": choices,
        "usage": usage,
    }
    return Entry(
        content_type="application/json",
        provider="openai",
        model="m",
        input_tokens=3,
        output_tokens=4,
        cost_usd=0.0,
        asked_ns=0,
        fresh_ns=1,
        expires_ns=1,
        body=json.dumps(document).encode(),
    )


def streamed(body: bytes | None) -> Entry:
    assert body is not None
    return replace(whole(), content_type=EVENT_STREAM, usage=False, body=body)


def said(body: bytes | None) -> Any:
    assert body is not None
    document = json.loads(body)
    for choice in document["choices"]:
        message = choice["message"]
        choice["message"] = {
            name: value for name, value in message.items() if value not in (None, "") or name == "role"
        }
    return document


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.booleans())
def test_an_answer_survives_being_told_as_a_stream_and_back(
    messages: list[dict[str, Any]], wants_usage: bool
) -> None:
    entry = whole(*messages)
    back = as_whole(streamed(as_stream(entry, wants_usage=wants_usage)))
    assert said(back) == said(entry.body)


@given(st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=4))
def test_pieces_of_words_and_of_arguments_come_together_in_order(words: list[str], pieces: list[str]) -> None:
    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"

    call = {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}
    events = [
        event({"role": "assistant", "content": ""}),
        *(event({"content": word}) for word in words),
        event({"tool_calls": [call]}),
        *(event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces),
        event({}, "tool_calls"),
        b"data: [DONE]\n\n",
    ]
    told = as_whole(streamed(b"".join(events)))
    assert told is not None
    (choice,) = json.loads(told)["choices"]
    assert (choice["message"]["content"] or "") == "".join(words)
    (made,) = choice["message"]["tool_calls"]
    assert made == {"id": "x", "type": "function", "function": {"name": "f", "arguments": "".join(pieces)}}
    assert choice["finish_reason"] == "tool_calls"


@given(st.binary(max_size=200), st.booleans(), st.booleans(), st.booleans())
def test_what_is_not_understood_is_no_answer_and_no_error(
    body: bytes, is_stream: bool, stream: bool, wants_usage: bool
) -> None:
    kind = EVENT_STREAM if is_stream else "application/json"
    entry = replace(whole(), content_type=kind, usage=not is_stream, body=body)
    told = body_for(entry, stream=stream, wants_usage=wants_usage)
    assert told is None or isinstance(told, bytes)


def test_the_form_it_was_kept_in_is_given_byte_by_byte() -> None:
    entry = whole({"role": "assistant", "content": "x"})
    assert body_for(entry, stream=False, wants_usage=False) is entry.body
    stream = streamed(b"data: anything\n\n")
    assert body_for(stream, stream=True, wants_usage=False) is stream.body


def test_a_stream_that_failed_on_its_way_is_told_as_nothing() -> None:
    assert as_whole(streamed(b'data: {"error": {"message": "x"}}\n\n')) is None
    assert as_whole(streamed(b"data: [DONE]\n\n")) is None


def test_a_streamed_call_without_words_has_no_content_rather_than_an_empty_one() -> None:
    call = {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, {"tool_calls": [call]}]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    told = as_whole(streamed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)))
    assert told is not None
    assert json.loads(told)["choices"][0]["message"]["content"] is None
