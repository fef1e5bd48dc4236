from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.errors import InvalidRequest
from lumigate.llm.chat import ChatRequest
from tests.fakes import CHAT_BODY, raised_by

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=5,
)


def parse(**changes: Any) -> ChatRequest:
    """`CHAT_BODY` with changes; `...` takes a field away."""
    return ChatRequest.parse({k: v for k, v in {**CHAT_BODY, **changes}.items() if v is not ...})


def test_what_routing_and_telemetry_need_is_taken_out_and_the_body_stays_whole() -> None:
    body = {**CHAT_BODY, "temperature": 0.5, "top_p": 1.0, "max_tokens": 5, "seed": 7, "x": {"y": [1]}}
    chat = ChatRequest.parse(body)
    assert (chat.model, chat.stream, chat.wants_usage) == ("fast", False, False)
    assert (chat.temperature, chat.top_p, chat.max_tokens) == (0.5, 1.0, 5)
    assert chat.body == body


def test_a_stream_may_ask_for_usage() -> None:
    assert parse(stream=True).wants_usage is False
    assert parse(stream=True, stream_options={"include_usage": True}).wants_usage is True
    assert parse(stream=True, stream_options={"include_usage": False, "x": 1}).wants_usage is False


def test_the_cap_may_have_either_name() -> None:
    assert parse(max_tokens=7).max_tokens == parse(max_completion_tokens=7).max_tokens == 7


@pytest.mark.parametrize(
    "content",
    [
        "text",
        "",
        None,
        [],
        [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "x"}}],
    ],
)
def test_content_is_text_or_parts_or_nothing(content: Any) -> None:
    parse(messages=[{"role": "user", "content": content}])


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": ...}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": None}, "model"),
        ({"model": "m" * 257}, "model"),
        ({"messages": ...}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["hello"]}, "messages.0"),
        ({"messages": [{"content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": [], "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
    ],
)
def test_the_first_field_that_is_wrong_is_named(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**changes)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)
    assert caught.value.message.startswith(param)


def test_what_the_caller_wrote_is_not_quoted_back() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(messages=[{"role": "private words", "content": "x"}])
    assert "private words" not in caught.value.message


@given(
    st.dictionaries(st.sampled_from([*CHAT_BODY, "stream", "stream_options", "n", "max_tokens"]), JSON_VALUES)
)
def test_no_object_raises_anything_but_invalid_request(changes: dict[str, Any]) -> None:
    for body in (changes, {**CHAT_BODY, **changes}):
        error = raised_by(InvalidRequest, ChatRequest.parse, body)
        assert error is None or error.message
