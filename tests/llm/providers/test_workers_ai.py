from __future__ import annotations

import json
from typing import Any

from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    FakeAnswer,
    GatewayUnderTest,
    event,
    fake_ports,
    json_answer,
    make_gateway,
    stream_answer,
    whole_body,
)
from tests.llm.recorded import added_up, documents

LLAMA = "@cf/meta/llama-3.1-8b-instruct"
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


class FakeAI:
    """The binding: gives one scripted answer and keeps what it was asked."""

    def __init__(self, answer: FakeAnswer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    async def run(
        self, model: str, body: bytes, *, timeout_seconds: float, idle_timeout_seconds: float
    ) -> FakeAnswer:
        self.asked.append((model, json.loads(body)))
        return self.answer


def bound(answer: FakeAnswer) -> tuple[GatewayUnderTest, FakeAI]:
    binding = FakeAI(answer)
    models = json.dumps({"fast": {"provider": "workers_ai", "model": LLAMA}})
    return make_gateway(fake_ports(ai=binding), MODELS=models), binding


async def test_without_an_address_the_binding_is_asked() -> None:
    rig, binding = bound(json_answer({"response": "Hi.", "usage": USAGE}))
    response = await rig.send()
    document = json.loads(await whole_body(response))
    assert document["choices"][0]["message"]["content"] == "Hi."
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["usage"]["prompt_tokens"] == 20
    assert binding.asked == [(LLAMA, {"messages": CHAT_BODY["messages"]})]
    assert rig.ports.fetch.calls == []
    assert rig.events[0]["input_tokens"] == 20


async def test_a_stream_of_the_binding_becomes_openais() -> None:
    pieces = (
        event({"response": "Hel"}),
        event({"response": "lo"}),
        event({"response": "", "usage": USAGE}),
        DONE_EVENT,
    )
    rig, _ = bound(stream_answer(*pieces))
    body = {**CHAT_BODY, "stream": True, "stream_options": {"include_usage": True}}
    stream = await whole_body(await rig.send(body=body))
    said = added_up(stream)
    assert (said["content"], said["finish_reason"]) == ("Hello", "stop")
    assert documents(stream)[-1]["usage"]["completion_tokens"] == 5
    assert stream.endswith(DONE_EVENT)
    assert rig.events[0]["outcome"] == "complete"


async def test_a_tool_call_of_the_binding_becomes_openais() -> None:
    call = {"name": "get_weather", "arguments": {"city": "Köln"}}
    rig, _ = bound(json_answer({"response": None, "tool_calls": [call]}))
    (choice,) = json.loads(await whole_body(await rig.send()))["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Köln"}


async def test_vectors_of_the_binding_become_openais() -> None:
    rig, binding = bound(json_answer({"shape": [2, 2], "data": [[1.0, 0.5], [0.0, -1.0]], "pooling": "cls"}))
    response = await rig.send(path="/v1/embeddings", body={"model": "fast", "input": ["a", "b"]})
    document = json.loads(await whole_body(response))
    assert [each["embedding"] for each in document["data"]] == [[1.0, 0.5], [0.0, -1.0]]
    assert (document["object"], document["model"]) == ("list", LLAMA)
    assert binding.asked == [(LLAMA, {"text": ["a", "b"]})]


async def test_with_neither_a_binding_nor_an_address_the_provider_cannot_be_reached() -> None:
    rig = make_gateway(MODELS=json.dumps({"fast": {"provider": "workers_ai", "model": LLAMA}}))
    assert (await rig.send()).status == 502
