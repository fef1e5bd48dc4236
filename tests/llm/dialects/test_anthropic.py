from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from lumigate.errors import InvalidRequest, RateLimited, Unauthenticated, UpstreamTimeout, UpstreamUnreachable
from lumigate.http.sse import EventSplitter
from lumigate.llm.chat import ChatRequest
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.llm.provider import Answer, BadAnswer
from lumigate.llm.providers import NATIVE, PROVIDERS
from tests.fakes import chunkings, completion, raised_by
from tests.llm.recorded import CREATED, NAMES, access, documents, recorded

USER = {"role": "user", "content": "hello"}
TOOL = {"name": "get_weather", "description": "Now.", "input_schema": {"type": "object"}}


def parse(**changes: Any) -> ChatRequest:
    """A request in their words; `...` takes a member away."""
    body = {"model": "alias", "max_tokens": 10, "messages": [USER], **changes}
    return ANTHROPIC_DIALECT.parse({name: value for name, value in body.items() if value is not ...}, {})


def written(provider: str, fixture: str, chunks: list[bytes] | None = None) -> bytes:
    """A recorded stream as their client gets it."""
    answer = Answer(created=CREATED)
    reader = PROVIDERS[provider].reader(answer, strip_usage=False)
    splitter, outlet, done, passed = EventSplitter(), ANTHROPIC_DIALECT.outlet(native=False), False, b""
    for chunk in chunks or [recorded(provider, fixture)]:
        block = splitter.feed(chunk)
        if block and not done:
            events, done = reader.read_events(block)
            passed += outlet.pass_on(events)
    return passed if done else passed + outlet.pass_on(reader.end())


# --- requests


def test_a_conversation_with_tools_and_pictures_becomes_canonical() -> None:
    chat = parse(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look."},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "I will ask."},
                    {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Köln"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And?"},
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "21"}]},
                    {"type": "tool_result", "tool_use_id": "t2", "content": "gone", "is_error": True},
                ],
            },
        ],
    )
    assert chat.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look."},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I will ask.",
            "tool_calls": [
                {
                    "id": "t1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"K\\u00f6ln"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "21"},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: gone"},
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
    ]


def test_parameters_become_canonical() -> None:
    chat = parse(
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=["END"],
        stream=True,
        metadata={"user_id": "u"},
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 8000},
        output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}},
    )
    body = {name: value for name, value in chat.body.items() if name not in ("messages", "model")}
    assert body == {
        "max_tokens": 10,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["END"],
        "stream": True,
        "user": "u",
        "tools": [
            {
                "type": "function",
                "function": {"name": "get_weather", "parameters": {"type": "object"}, "description": "Now."},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": False,
        "reasoning_effort": "medium",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
    }
    assert (chat.stream, chat.wants_usage, chat.max_tokens) == (True, True, 10)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": ...}, "model"),
        ({"max_tokens": ...}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"temperature": 1.1}, "temperature"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
    ],
)
def test_the_first_field_that_is_wrong_is_named(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**changes)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0"),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, "messages.0.content.0"),
    ],
)
def test_what_only_anthropic_understands_waits_until_someone_else_would_be_asked(
    changes: dict[str, Any], param: str
) -> None:
    chat = parse(**changes)
    assert chat.untranslatable is not None
    assert chat.untranslatable.param == param
    assert chat.native is not None


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=4), children, max_size=3)
    ),
    max_leaves=5,
)
BLOCK = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["text", "image", "document", "tool_use", "tool_result", "thinking", "x"])
        | ODD
    },
    optional={
        "text": ODD,
        "source": ODD,
        "id": ODD,
        "name": ODD,
        "input": ODD,
        "tool_use_id": ODD,
        "content": ODD,
    },
)


@given(
    content=ODD | st.lists(BLOCK, max_size=3),
    more=st.dictionaries(
        st.sampled_from(
            ["system", "tools", "tool_choice", "thinking", "output_config", "metadata", "stream", "x"]
        ),
        ODD,
    ),
)
def test_a_request_of_any_shape_is_read_or_refused_as_the_callers_fault(
    content: Any, more: dict[str, Any]
) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": content}], **more}
    raised_by(InvalidRequest, ANTHROPIC_DIALECT.parse, body, {})


# --- answers


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_answer_of_any_provider_is_a_message_to_their_client(name: str) -> None:
    canonical = PROVIDERS[name].read_answer(recorded(name, "success.json"), Answer(created=CREATED))
    message = Message.model_validate_json(ANTHROPIC_DIALECT.write_answer(canonical, native=False))
    said = next(block for block in message.content if block.type == "text")
    assert said.text == "Grüße aus Köln! 🌍"
    assert message.stop_reason == "end_turn"
    cached = message.usage.cache_read_input_tokens or 0
    assert message.usage.input_tokens + cached == 1117
    assert message.usage.output_tokens == 46


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_tool_call_is_the_same_whole_and_streamed(name: str) -> None:
    canonical = PROVIDERS[name].read_answer(recorded(name, "tool_call.json"), Answer(created=CREATED))
    message = json.loads(ANTHROPIC_DIALECT.write_answer(canonical, native=False))
    use = message["content"][-1]
    events = documents(written(name, "tool_call.sse"))
    started = [e["content_block"] for e in events if e["type"] == "content_block_start"][-1]
    given = "".join(
        e["delta"]["partial_json"]
        for e in events
        if e["type"] == "content_block_delta" and e["delta"]["type"] == "input_json_delta"
    )
    assert (started["type"], started["name"], started["id"]) == ("tool_use", use["name"], use["id"])
    assert json.loads(given) == use["input"] == {"city": "Köln"}
    assert message["stop_reason"] == events[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fixture", ["stream.sse", "tool_call.sse"])
def test_blocks_open_grow_and_close_in_order(name: str, fixture: str) -> None:
    events = documents(written(name, fixture))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    is_open, seen = None, -1
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert is_open is None
            is_open = seen = seen + 1
        assert event["index"] == is_open
        if event["type"] == "content_block_stop":
            is_open = None
    assert is_open is None
    usage = events[-2]["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == 1117


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_however_a_stream_is_cut_their_client_gets_the_same_events(name: str, data: st.DataObject) -> None:
    stream = recorded(name, "stream.sse")
    assert written(name, "stream.sse", data.draw(chunkings(stream))) == written(name, "stream.sse")


def test_arguments_that_are_no_json_make_a_bad_answer() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city":'}}
    choices = [
        {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    ]
    with pytest.raises(BadAnswer):
        ANTHROPIC_DIALECT.write_answer(json.dumps(completion(choices=choices)).encode(), native=False)


# --- Anthropic behind its own door


def test_a_native_request_keeps_every_member_but_the_models_name() -> None:
    from lumigate.config import ModelRoute

    marked = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
    body = {"model": "alias", "max_tokens": 9, "messages": [{"role": "user", "content": marked}], "x_new": 1}
    chat = ANTHROPIC_DIALECT.parse(body, {"anthropic-beta": "files-2025"})
    call = NATIVE["anthropic", "anthropic"].build_call(
        access("anthropic"), ModelRoute(provider="anthropic", model="claude"), chat
    )
    assert json.loads(call.body) == {**body, "model": "claude"}
    assert call.headers["anthropic-beta"] == "files-2025"


@pytest.mark.parametrize("fixture", ["stream.sse", "tool_call.sse"])
@given(data=st.data())
def test_a_native_stream_passes_byte_by_byte_and_is_learned_from(fixture: str, data: st.DataObject) -> None:
    stream = recorded("anthropic", fixture)
    answer, splitter = Answer(), EventSplitter()
    reader = NATIVE["anthropic", "anthropic"].reader(answer, strip_usage=True)
    passed, done = b"", False
    for chunk in data.draw(chunkings(stream)):
        if block := splitter.feed(chunk):
            out, ended = reader.read_events(block)
            passed, done = passed + out, done or ended
    assert passed == stream
    assert done
    assert (answer.input_tokens, answer.output_tokens, answer.cache_read_tokens) == (1117, 46, 1024)
    assert answer.finish_reasons == (("stop",) if fixture == "stream.sse" else ("tool_calls",))


# --- errors


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("is wrong", "model"), "invalid_request_error"),
        (Unauthenticated("missing"), "authentication_error"),
        (RateLimited(5), "rate_limit_error"),
        (UpstreamTimeout("x", 5), "timeout_error"),
        (UpstreamUnreachable("x"), "api_error"),
    ],
)
def test_an_error_has_their_shape_and_our_code(error: Any, kind: str) -> None:
    document = ANTHROPIC_DIALECT.error_body(error, "abc")
    assert document["type"] == "error"
    assert (document["error"]["type"], document["error"]["code"]) == (kind, error.code)
    assert document["trace_id"] == "abc"
    event = ANTHROPIC_DIALECT.outlet(native=True).error(error, "abc")
    assert event.startswith(b"event: error\ndata: ")
