from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.config import ModelRoute
from lumigate.errors import UnsupportedByProvider
from lumigate.llm.provider import Answer
from lumigate.llm.providers.cohere import CohereProvider
from tests.llm.conversation import JSON_SCHEMA, MESSAGES, PNG, SCHEMA, TOOLS, choose
from tests.llm.recorded import access, build, recorded, sent

PROVIDER = CohereProvider()


def test_a_whole_conversation_is_told_in_their_words() -> None:
    built = sent("cohere", messages=MESSAGES)
    assert built["messages"][:2] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Use metric units."},
    ]
    assert built["messages"][2]["content"][1:] == [
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/cologne.jpg"}},
    ]
    assert "content" not in built["messages"][3]
    assert [call["function"]["arguments"] for call in built["messages"][3]["tool_calls"]] == [
        '{"city":"K\\u00f6ln"}',
        "{}",
    ]
    assert built["messages"][5] == {"role": "tool", "tool_call_id": "call_2", "content": "noon"}


def test_every_parameter_that_they_have_is_passed_by_its_name() -> None:
    built = sent(
        "cohere",
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop="END",
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        response_format=JSON_SCHEMA,
        reasoning_effort="low",
        tools=TOOLS,
        tool_choice="required",
        stream=True,
    )
    del built["messages"], built["model"], built["tools"]
    assert built == {
        "stream": True,
        "max_tokens": 100,
        "temperature": 0.5,
        "p": 0.9,
        "k": 40,
        "stop_sequences": ["END"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logprobs": True,
        "response_format": {"type": "json_object", "json_schema": SCHEMA},
        "thinking": {"type": "enabled", "token_budget": 2048},
        "tool_choice": "REQUIRED",
    }


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"top_logprobs": 2, "logprobs": True}, "top_logprobs"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tools": TOOLS, "tool_choice": choose("get_time")}, "tool_choice"),
        ({"stop": list("abcdef")}, "stop"),
        ({"presence_penalty": -1}, "presence_penalty"),
    ],
)
def test_what_they_cannot_do_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedByProvider) as caught:
        build("cohere", **change)
    assert caught.value.param == param


def test_a_stream_that_ends_in_an_error_has_failed() -> None:
    end = b'data: {"type":"message-end","delta":{"error":"model crashed","finish_reason":"ERROR"}}\n\n'
    answer = Answer()
    passed, done = PROVIDER.reader(answer, strip_usage=False).read_events(end)
    assert answer.failed
    assert done
    assert json.loads(passed.removeprefix(b"data: "))["error"]["message"] == "model crashed"


def test_log_probabilities_are_told_in_openais_words() -> None:
    document = json.loads(recorded("cohere", "success.json"))
    document["logprobs"] = [{"text": "Hi", "token_ids": [1, 2], "logprobs": [-0.1, -0.2]}]
    (choice,) = json.loads(PROVIDER.read_answer(json.dumps(document).encode(), Answer()))["choices"]
    assert [(t["token"], t["logprob"]) for t in choice["logprobs"]["content"]] == [("Hi", -0.1), ("", -0.2)]


def test_embeddings_go_out_and_come_back_in_openais_form() -> None:
    route = ModelRoute(provider="cohere", model="embed-v4.0")
    call = PROVIDER.build_embeddings_call(access("cohere"), route, {"input": "a", "dimensions": 256})
    assert json.loads(call.body) == {
        "model": "embed-v4.0",
        "texts": ["a"],
        "input_type": "search_document",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }
    answer = Answer()
    answered = {"id": "e", "embeddings": {"float": [[1, 2]]}, "meta": {"billed_units": {"input_tokens": 3}}}
    document = json.loads(PROVIDER.read_embeddings(json.dumps(answered).encode(), answer, base64=False))
    assert document["data"] == [{"object": "embedding", "index": 0, "embedding": [1, 2]}]
    assert document["usage"]["prompt_tokens"] == answer.input_tokens == 3
