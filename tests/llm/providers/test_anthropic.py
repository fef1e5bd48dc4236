from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.config import ModelRoute
from lumigate.errors import InvalidRequest, LumigateError, UnsupportedByProvider
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer
from lumigate.llm.providers.anthropic import AnthropicProvider
from tests.llm.conversation import JSON_SCHEMA, MESSAGES, PNG, SCHEMA, TOOLS, choose
from tests.llm.recorded import CREATED, access, build, documents, read_stream, recorded, sent

PROVIDER = AnthropicProvider()
SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk="


def body(**changes: Any) -> dict[str, Any]:
    return sent("anthropic", **changes)


def test_a_whole_conversation_is_told_in_their_words() -> None:
    assert body(messages=MESSAGES) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Use metric units."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "How is the weather there?"},
                    {
                        "type": "image",
                        "source": {
                            "type": "base64",
                            "media_type": "image/png",
                            "data": PNG.rpartition(",")[2],
                        },
                    },
                    {
                        "type": "image",
                        "source": {"type": "url", "url": "https://pictures.example/cologne.jpg"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Köln"}},
                    {"type": "tool_use", "id": "call_2", "name": "get_time", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": '{"celsius":21}'},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "noon"},
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
    }


def test_every_parameter_that_they_have_is_passed_by_its_name() -> None:
    built = body(
        max_completion_tokens=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=["END"],
        user="u-1",
        stream=True,
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        response_format=JSON_SCHEMA,
        service_tier="default",
    )
    del built["messages"], built["model"]
    assert built == {
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "service_tier": "standard_only",
        "stream": True,
        "tools": [
            {"name": "get_weather", "input_schema": SCHEMA, "description": "Now."},
            {"name": "get_time", "input_schema": {"type": "object"}},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    }


def test_the_call_carries_the_version_and_the_key() -> None:
    call = build("anthropic", stream=True)
    assert call.url == "https://provider.example/v1/messages"
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert call.headers["x-api-key"] == "sk-secret"
    assert "authorization" not in call.headers


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (choose("get_time"), {"type": "tool", "name": "get_time"}),
    ],
)
def test_a_tool_choice_is_translated(choice: Any, expected: dict[str, Any]) -> None:
    assert body(tools=TOOLS, tool_choice=choice)["tool_choice"] == expected


def test_an_effort_becomes_a_budget_that_leaves_the_cap_to_the_answer() -> None:
    built = body(reasoning_effort="low", max_tokens=100)
    assert built["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert built["max_tokens"] == 2148
    assert "thinking" not in body(reasoning_effort="none")
    assert body(thinking={"type": "adaptive"})["thinking"] == {"type": "adaptive"}


def test_later_models_take_the_effort_itself() -> None:
    call = build("anthropic", reasoning_effort="minimal", max_tokens=100, response_format=JSON_SCHEMA)
    assert "budget_tokens" in str(json.loads(call.body)["thinking"])
    chat = ChatRequest.parse(
        {"model": "x", "messages": [{"role": "user", "content": "x"}], "reasoning_effort": "high"}
    )
    route = ModelRoute(provider="anthropic", model="claude-sonnet-5-5")
    request = json.loads(PROVIDER.build_call(access("anthropic"), route, chat).body)
    assert request["output_config"] == {"effort": "high"}
    assert request["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert request["max_tokens"] == 4096


def test_signed_thoughts_come_back_as_they_were_sent() -> None:
    whole = PROVIDER.read_answer(recorded("anthropic", "success.json"), Answer(created=CREATED))
    message = json.loads(whole)["choices"][0]["message"]
    stream, _ = read_stream(PROVIDER, [recorded("anthropic", "stream.sse")])
    (streamed,) = [
        detail
        for document in documents(stream)
        for choice in document["choices"]
        for detail in choice["delta"].get("reasoning_details", ())
    ]
    assert message["reasoning_details"] == [streamed]
    turn = body(messages=[{"role": "user", "content": "hi"}, message, {"role": "user", "content": "on"}])[
        "messages"
    ][1]
    assert turn["content"][0] == {
        "type": "thinking",
        "thinking": "They want a greeting.",
        "signature": SIGNATURE,
    }
    assert turn["content"][1] == {"type": "text", "text": "Grüße aus Köln! 🌍"}


def test_marks_for_the_prompt_cache_pass_as_they_came() -> None:
    mark = {"type": "ephemeral"}
    built = body(
        messages=[{"role": "user", "content": [{"type": "text", "text": "long", "cache_control": mark}]}]
    )
    assert built["messages"][0]["content"] == [{"type": "text", "text": "long", "cache_control": mark}]


def test_a_document_is_passed_on() -> None:
    file = {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}
    built = body(messages=[{"role": "user", "content": [{"type": "file", "file": file}]}])
    assert built["messages"][0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "a.pdf",
        }
    ]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"seed": 1}, "seed"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"temperature": 1.5}, "temperature"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"messages": [{"role": "user", "content": "x", "name": "ann"}]}, "messages.0.name"),
        ({"messages": [{"role": "function", "content": "x", "name": "f"}]}, "messages.0.role"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}
                ]
            },
            "messages.0.content.0",
        ),
    ],
)
def test_what_they_cannot_do_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedByProvider) as caught:
        build("anthropic", **change)
    assert caught.value.param == param
    assert caught.value.message.startswith("anthropic cannot do this: ")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}
                ]
            },
            "messages.0.content.0.image_url.url",
        ),
        ({"stop": [5]}, "stop.0"),
        ({"tools": [{"type": "function"}]}, "tools.0"),
        ({"tools": TOOLS, "tool_choice": "perhaps"}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
    ],
)
def test_what_makes_no_sense_is_the_callers_fault(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build("anthropic", **change)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_each_stop_reason_has_its_finish_reason(theirs: str, ours: str) -> None:
    document = json.loads(recorded("anthropic", "success.json")) | {"stop_reason": theirs}
    answer = Answer()
    PROVIDER.read_answer(json.dumps(document).encode(), answer)
    assert answer.finish_reasons == (ours,)


def test_an_error_in_a_stream_is_an_error_event() -> None:
    overloaded = (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    )
    answer = Answer()
    reader = PROVIDER.reader(answer, strip_usage=True)
    passed, done = reader.read_events(overloaded)
    assert answer.failed
    assert not done
    assert json.loads(passed.removeprefix(b"data: "))["error"]["message"] == "Overloaded"


def test_embeddings_are_refused() -> None:
    with pytest.raises(LumigateError, match="anthropic cannot do this: embeddings"):
        PROVIDER.build_embeddings_call(
            access("anthropic"), ModelRoute(provider="anthropic", model="m"), {"input": "x"}
        )
