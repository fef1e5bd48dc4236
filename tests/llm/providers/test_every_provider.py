"""What holds for all providers alike, on recorded answers of each."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from lumigate.errors import InvalidRequest, LumigateError, UnsupportedByProvider
from lumigate.llm.provider import Answer, BadAnswer
from lumigate.llm.providers import PROVIDERS
from tests.fakes import chunkings
from tests.llm.recorded import CREATED, NAMES, added_up, build, documents, read_stream, recorded

EACH = pytest.mark.parametrize("name", NAMES)
THINKERS = {"anthropic", "google", "cohere", "mistral"}
REASONING_COUNTED = {"openai", "google", "openrouter"}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


@EACH
def test_a_recorded_answer_is_a_completion_as_openais_client_reads_it(name: str) -> None:
    answer = Answer(created=CREATED)
    document = ChatCompletion.model_validate_json(
        PROVIDERS[name].read_answer(recorded(name, "success.json"), answer)
    )
    (choice,) = document.choices
    assert choice.message.content == "Grüße aus Köln! 🌍"
    assert choice.finish_reason == "stop"
    assert (choice.message.model_extra or {}).get("reasoning_content") == (
        "They want a greeting." if name in THINKERS else None
    )
    assert document.usage is not None
    assert (document.usage.prompt_tokens, document.usage.completion_tokens) == (1117, 46)
    assert (answer.input_tokens, answer.output_tokens) == (1117, 46)
    assert answer.cache_read_tokens == (0 if name == "mistral" else 1024)
    assert answer.reasoning_tokens == (12 if name in REASONING_COUNTED else 0)
    assert answer.finish_reasons == ("stop",)
    assert document.id == answer.id != ""


@EACH
def test_a_recorded_stream_says_the_same_as_the_whole_answer(name: str) -> None:
    stream, answer = read_stream(PROVIDERS[name], [recorded(name, "stream.sse")])
    whole = Answer(created=CREATED)
    message = json.loads(PROVIDERS[name].read_answer(recorded(name, "success.json"), whole))["choices"][0][
        "message"
    ]
    said = added_up(stream)
    assert said["content"] == message["content"]
    assert said["reasoning_content"] == message.get("reasoning_content", "")
    assert said["finish_reason"] == "stop"
    assert answer == whole
    assert stream.endswith(b"data: [DONE]\n\n") or stream.endswith(b"data: [DONE]\r\n\r\n")
    for document in documents(stream):
        ChatCompletionChunk.model_validate(document)


@EACH
def test_usage_that_was_not_asked_for_is_left_out_and_learned_all_the_same(name: str) -> None:
    stream, answer = read_stream(PROVIDERS[name], [recorded(name, "stream.sse")], strip_usage=True)
    assert all(not document.get("usage") for document in documents(stream))
    assert all(document["choices"] for document in documents(stream))
    assert (answer.input_tokens, answer.output_tokens) == (1117, 46)


@EACH
@pytest.mark.parametrize("fixture", ["stream.sse", "tool_call.sse"])
@given(data=st.data(), strip_usage=st.booleans())
def test_however_a_recorded_stream_is_cut_the_canonical_events_are_the_same(
    name: str, fixture: str, data: st.DataObject, strip_usage: bool
) -> None:
    stream = recorded(name, fixture)
    chunks = data.draw(chunkings(stream))
    provider = PROVIDERS[name]
    assert read_stream(provider, chunks, strip_usage=strip_usage) == read_stream(
        provider, [stream], strip_usage=strip_usage
    )


@EACH
def test_a_tool_call_is_the_same_whole_and_streamed(name: str) -> None:
    answer = Answer(created=CREATED)
    choice = json.loads(PROVIDERS[name].read_answer(recorded(name, "tool_call.json"), answer))["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    said = added_up(read_stream(PROVIDERS[name], [recorded(name, "tool_call.sse")])[0])
    (streamed,) = said["tool_calls"]
    assert choice["finish_reason"] == said["finish_reason"] == "tool_calls"
    assert call["type"] == "function"
    assert call["function"]["name"] == streamed["name"] == "get_weather"
    assert call["id"] == streamed["id"] != ""
    assert json.loads(call["function"]["arguments"]) == json.loads(streamed["arguments"]) == {"city": "Köln"}


@EACH
@pytest.mark.parametrize("fixture", ["error.json", "rate_limit.json"])
def test_the_message_of_a_recorded_error_is_found(name: str, fixture: str) -> None:
    message, _ = PROVIDERS[name].error_message(recorded(name, fixture))
    assert message != "no reason given"
    assert message in json.dumps(json.loads(recorded(name, fixture)), ensure_ascii=False).replace("\\n", "\n")


@EACH
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b"\xff", b'{"error":5}', b"[" * 50_000]
)
def test_an_error_without_a_message_has_a_general_one(name: str, body: bytes) -> None:
    assert PROVIDERS[name].error_message(body) == ("no reason given", None)


@EACH
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b"\xff", b"[" * 50_000])
def test_what_is_no_answer_is_a_bad_one(name: str, body: bytes) -> None:
    with pytest.raises(BadAnswer):
        PROVIDERS[name].read_answer(body, Answer())


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "message", "delta", "index", "id", "parts", "usage", "error"]
            ),
            children,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@EACH
@given(data=st.data())
def test_an_event_of_any_shape_breaks_nothing(name: str, data: st.DataObject) -> None:
    """A member of a recorded event is replaced by something odd, at any depth."""
    events = documents(recorded(name, data.draw(st.sampled_from(["stream.sse", "tool_call.sse"]))))
    event = json.loads(json.dumps(data.draw(st.sampled_from(events))))
    place: Any = event
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(ODD)
            break
        place = place[key]
    reader = PROVIDERS[name].reader(Answer(), strip_usage=data.draw(st.booleans()))
    reader.read_events(b"data: " + json.dumps(event).encode() + b"\n\n")
    reader.end()


@EACH
@given(data=st.data())
def test_an_answer_of_any_shape_is_read_or_said_to_be_bad(name: str, data: st.DataObject) -> None:
    document = json.loads(recorded(name, data.draw(st.sampled_from(["success.json", "tool_call.json"]))))
    place: Any = document
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(ODD)
            break
        place = place[key]
    with contextlib.suppress(BadAnswer):
        json.loads(PROVIDERS[name].read_answer(json.dumps(document).encode(), Answer()))


MESSAGE_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "content": ODD
        | st.lists(st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "file", "x"])})),
        "tool_calls": ODD | st.lists(st.fixed_dictionaries({"id": ODD, "function": ODD}), max_size=2),
        "tool_call_id": ODD,
        "name": ODD,
        "reasoning_details": ODD,
    },
)


@EACH
@given(
    message=MESSAGE_CHANGES,
    role=st.sampled_from(["system", "user", "assistant", "tool", "function", "developer"]),
    body=st.dictionaries(
        st.sampled_from(
            [
                "tools",
                "tool_choice",
                "stop",
                "response_format",
                "reasoning_effort",
                "thinking",
                "top_k",
                "seed",
                "user",
            ]
        ),
        ODD,
    ),
)
def test_a_request_of_any_shape_is_built_or_refused_as_the_callers_fault(
    name: str, message: dict[str, Any], role: str, body: dict[str, Any]
) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": role, **message}]
    with contextlib.suppress(InvalidRequest, UnsupportedByProvider):
        json.loads(build(name, messages=messages, **body).body)


@EACH
def test_the_key_goes_in_a_header_and_nowhere_else(name: str) -> None:
    call = build(name, stream=True)
    assert any("sk-secret" in value for value in call.headers.values())
    assert "sk-secret" not in call.url
    assert b"sk-secret" not in call.body


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"openai", "openrouter", "workers_ai"}))
@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages.0.content.0"),
    ],
)
def test_what_a_provider_cannot_do_is_a_400_that_names_it(
    name: str, change: dict[str, Any], param: str
) -> None:
    if name == "mistral" and "messages" in change:
        pytest.skip("speaks OpenAI's shape: it refuses parts itself")
    with pytest.raises(LumigateError) as caught:
        build(name, **change)
    assert caught.value.status == 400
    assert caught.value.code == "unsupported_by_provider"
    assert caught.value.message.startswith(f"{name} cannot do this: ")
    assert caught.value.param == param


@EACH
def test_what_asks_for_nothing_special_is_no_reason_to_refuse(name: str) -> None:
    build(
        name,
        n=1,
        presence_penalty=0,
        logit_bias={},
        user="u",
        store=True,
        metadata={"a": "b"},
        logprobs=False,
    )


@pytest.mark.parametrize("name", ["anthropic", "google", "cohere"])
def test_tool_calls_with_broken_json_are_the_callers_fault(name: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city":'}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    with pytest.raises(InvalidRequest) as caught:
        build(name, messages=messages)
    assert caught.value.param == "messages.1.tool_calls.0.function.arguments"


@EACH
def test_two_thousand_messages_are_no_trouble(name: str) -> None:
    turns = [{"role": "assistant" if n % 2 else "user", "content": f"turn {n}"} for n in range(2001)]
    assert b"turn 2000" in build(name, messages=turns).body
