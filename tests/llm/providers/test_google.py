from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.config import ModelRoute
from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.provider import Answer
from lumigate.llm.providers.google import GoogleProvider
from tests.llm.conversation import JSON_SCHEMA, MESSAGES, SCHEMA, TOOLS, choose
from tests.llm.recorded import CREATED, access, build, documents, recorded, sent

PROVIDER = GoogleProvider()


def body(**changes: Any) -> dict[str, Any]:
    return sent("google", **changes)


def test_a_whole_conversation_is_told_in_their_words() -> None:
    assert body(messages=MESSAGES) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Use metric units."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "How is the weather there?"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
                    {
                        "fileData": {
                            "mimeType": "image/jpeg",
                            "fileUri": "https://pictures.example/cologne.jpg",
                        }
                    },
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"name": "get_weather", "args": {"city": "Köln"}}},
                    {"functionCall": {"name": "get_time", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "get_weather", "response": {"celsius": 21}}},
                    {"functionResponse": {"name": "get_time", "response": {"result": "noon"}}},
                    {"text": "Go on."},
                ],
            },
        ],
        "generationConfig": {},
    }


def test_every_parameter_that_they_have_is_passed_by_its_name() -> None:
    built = body(
        max_tokens=100,
        temperature=1.5,
        top_p=0.9,
        top_k=40,
        n=2,
        stop="END",
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=3,
        response_format=JSON_SCHEMA,
        reasoning_effort="medium",
        tools=TOOLS,
        tool_choice=choose("get_time"),
    )
    assert built["generationConfig"] == {
        "temperature": 1.5,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 100,
        "candidateCount": 2,
        "stopSequences": ["END"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
        "thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": True},
    }
    assert built["tools"] == [
        {
            "functionDeclarations": [
                {"name": "get_weather", "description": "Now.", "parametersJsonSchema": SCHEMA},
                {"name": "get_time"},
            ]
        }
    ]
    assert built["toolConfig"] == {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_time"]}
    }
    assert body(response_format={"type": "json_object"})["generationConfig"] == {
        "responseMimeType": "application/json"
    }


def test_the_method_is_in_the_address_and_the_key_is_not() -> None:
    whole, stream = build("google"), build("google", stream=True)
    assert whole.url == "https://provider.example/models/gemini-2.5-flash:generateContent"
    assert stream.url == "https://provider.example/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert whole.headers["x-goog-api-key"] == "sk-secret"


def test_the_signature_of_a_thought_travels_with_its_tool_call() -> None:
    whole = PROVIDER.read_answer(recorded("google", "tool_call.json"), Answer(created=CREATED))
    message = json.loads(whole)["choices"][0]["message"]
    (call,) = message["tool_calls"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "21"}
    contents = body(messages=[{"role": "user", "content": "hi"}, message, result])["contents"]
    assert contents[1]["parts"] == [
        {
            "functionCall": {"name": "get_weather", "args": {"city": "Köln"}},
            "thoughtSignature": "CpMDAdHtim9c2QI",
        }
    ]
    assert contents[2]["parts"] == [
        {"functionResponse": {"name": "get_weather", "response": {"result": "21"}}}
    ]


def test_a_prompt_that_was_blocked_is_an_empty_answer_that_says_so() -> None:
    blocked = b'{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4},"modelVersion":"g"}'
    answer = Answer()
    (choice,) = json.loads(PROVIDER.read_answer(blocked, answer))["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", "")
    assert answer.finish_reasons == ("content_filter",)
    streamed = Answer()
    passed, _ = PROVIDER.reader(streamed, strip_usage=True).read_events(b"data: " + blocked + b"\n\n")
    assert documents(passed)[0]["choices"][0]["finish_reason"] == "content_filter"
    assert streamed.finish_reasons == ("content_filter",)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
    ],
)
def test_each_finish_reason_has_its_like(theirs: str, ours: str) -> None:
    document = json.loads(recorded("google", "success.json"))
    document["candidates"][0]["finishReason"] = theirs
    (choice,) = json.loads(PROVIDER.read_answer(json.dumps(document).encode(), Answer()))["choices"]
    assert choice["finish_reason"] == ours


def test_log_probabilities_are_told_in_openais_words() -> None:
    document = json.loads(recorded("google", "success.json"))
    document["candidates"][0]["logprobsResult"] = {
        "chosenCandidates": [{"token": "Hi", "tokenId": 1, "logProbability": -0.1}],
        "topCandidates": [
            {"candidates": [{"token": "Hi", "logProbability": -0.1}, {"token": "Yo", "logProbability": -3}]}
        ],
    }
    (choice,) = json.loads(PROVIDER.read_answer(json.dumps(document).encode(), Answer()))["choices"]
    (token,) = choice["logprobs"]["content"]
    assert (token["token"], token["logprob"], token["bytes"]) == ("Hi", -0.1, [72, 105])
    assert [top["token"] for top in token["top_logprobs"]] == ["Hi", "Yo"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "https://x.example/y"}}],
                    }
                ]
            },
            "messages.0.content.0",
        ),
    ],
)
def test_what_they_cannot_do_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedByProvider) as caught:
        build("google", **change)
    assert caught.value.param == param


def test_a_result_of_a_call_that_never_was_is_the_callers_fault() -> None:
    with pytest.raises(InvalidRequest) as caught:
        build("google", messages=[{"role": "tool", "tool_call_id": "c9", "content": "x"}])
    assert caught.value.param == "messages.0.tool_call_id"


def test_embeddings_go_out_in_one_batch_and_come_back_in_openais_form() -> None:
    route = ModelRoute(provider="google", model="gemini-embedding-001")
    call = PROVIDER.build_embeddings_call(access("google"), route, {"input": ["a", "b"], "dimensions": 2})
    assert call.url.endswith("/models/gemini-embedding-001:batchEmbedContents")
    assert json.loads(call.body)["requests"][1] == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "b"}]},
        "outputDimensionality": 2,
    }
    body = PROVIDER.read_embeddings(
        b'{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}', Answer(), base64=False
    )
    assert [item["embedding"] for item in json.loads(body)["data"]] == [[1, 2], [3, 4]]
    encoded = PROVIDER.read_embeddings(b'{"embeddings":[{"values":[1,2]}]}', Answer(), base64=True)
    assert json.loads(encoded)["data"][0]["embedding"] == "AACAPwAAAEA="
