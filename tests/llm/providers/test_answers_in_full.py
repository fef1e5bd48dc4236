"""What an answer says beside its words: arguments, pictures, counts, ids, reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lumigate.config import ModelRoute
from lumigate.llm.chat import ChatRequest
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.llm.provider import Answer, BadAnswer
from lumigate.llm.providers import PROVIDERS
from tests.fakes import completion, event
from tests.llm.recorded import CREATED, access, added_up, documents, read_stream, sent

USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 7,
    "output_tokens": 1,
}
STARTED = {
    "type": "message_start",
    "message": {"id": "m", "model": "c", "usage": {**USAGE, "service_tier": "batch"}},
}


def events(*documents: Mapping[str, Any]) -> bytes:
    return b"".join(map(event, documents))


def block(index: int, opened: Mapping[str, Any], *deltas: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": opened},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def ended(reason: str = "end_turn", **usage: int) -> list[dict[str, Any]]:
    delta = {
        "type": "message_delta",
        "delta": {"stop_reason": reason},
        "usage": {"output_tokens": 20, **usage},
    }
    return [delta, {"type": "message_stop"}]


# --- Anthropic


def test_a_streamed_call_without_arguments_has_an_empty_object_of_them() -> None:
    opened = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    piece = {"type": "input_json_delta", "partial_json": '{"a":1}'}
    nothing = {"type": "input_json_delta", "partial_json": ""}
    said = [*block(0, opened), *block(1, opened, nothing), *block(2, opened, nothing, piece)]
    stream, _ = read_stream(PROVIDERS["anthropic"], [events(STARTED, *said, *ended("tool_use"))])
    assert [call["arguments"] for call in added_up(stream)["tool_calls"]] == ["{}", "{}", '{"a":1}']


def test_counts_of_the_beginning_hold_where_the_end_does_not_say_others() -> None:
    _, answer = read_stream(PROVIDERS["anthropic"], [events(STARTED, *ended())])
    assert (answer.input_tokens, answer.output_tokens) == (22, 20)
    assert (answer.cache_read_tokens, answer.cache_write_tokens) == (5, 7)
    assert answer.service_tier == "batch"


def test_the_signature_of_each_thought_stands_with_its_own_words() -> None:
    def thought(index: int, words: str) -> list[dict[str, Any]]:
        told = {"type": "thinking_delta", "thinking": words}
        signed = {"type": "signature_delta", "signature": f"of {words}"}
        return block(index, {"type": "thinking", "thinking": ""}, told, signed)

    stream, _ = read_stream(
        PROVIDERS["anthropic"], [events(STARTED, *thought(0, "one"), *thought(1, "two"), *ended())]
    )
    details = [
        detail
        for document in documents(stream)
        for choice in document["choices"]
        for detail in choice["delta"].get("reasoning_details", ())
    ]
    assert [(detail["text"], detail["signature"]) for detail in details] == [
        ("one", "of one"),
        ("two", "of two"),
    ]


def test_a_turn_that_was_paused_has_ended_for_now() -> None:
    stream, answer = read_stream(PROVIDERS["anthropic"], [events(STARTED, *ended("pause_turn"))])
    assert (added_up(stream)["finish_reason"], answer.finish_reasons) == ("stop", ("stop",))


def test_without_tool_calls_nothing_is_said_about_how_many_at_once() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = sent("anthropic", tools=tools, tool_choice="none", parallel_tool_calls=False)
    assert body["tool_choice"] == {"type": "none"}


# --- Google

GOOGLE = PROVIDERS["google"]


def gemini(
    *parts: Mapping[str, Any], index: int = 0, finish: str | None = "STOP", **more: Any
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts)}, "index": index}
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})],
        "responseId": "r",
        **more,
    }


def test_what_googles_own_tools_read_is_paid_for_too() -> None:
    usage = {"promptTokenCount": 9, "toolUsePromptTokenCount": 4, "candidatesTokenCount": 2}
    answer = Answer()
    GOOGLE.read_answer(json.dumps(gemini({"text": "a"}, usageMetadata=usage)).encode(), answer)
    assert answer.input_tokens == 13


def test_calls_of_two_candidates_have_ids_of_their_own() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    stream, _ = read_stream(GOOGLE, [events(gemini(call), gemini(call, index=1))])
    ids = [
        call["id"]
        for document in documents(stream)
        for choice in document["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert len(set(ids)) == len(ids) == 2


@pytest.mark.parametrize(("strict", "mode"), [(True, "VALIDATED"), (False, "AUTO"), (None, "AUTO")])
def test_strict_functions_are_validated_by_google(strict: bool | None, mode: str) -> None:
    body = sent("google", tools=[{"type": "function", "function": {"name": "f", "strict": strict}}])
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == mode


@pytest.mark.parametrize(("effort", "level"), [("none", "minimal"), ("low", "low"), ("high", "high")])
def test_newer_models_of_google_take_a_level(effort: str, level: str) -> None:
    chat = ChatRequest.parse(
        {"model": "a", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": effort}
    )
    call = GOOGLE.build_call(access("google"), ModelRoute(provider="google", model="gemini-3-pro"), chat)
    told = json.loads(call.body)["generationConfig"]["thinkingConfig"]
    assert told == {"thinkingLevel": level, "includeThoughts": effort != "none"}


@pytest.mark.parametrize("said", [[], [{"text": "hm", "thought": True}]], ids=["nothing", "thoughts"])
def test_a_malformed_call_with_nothing_beside_it_is_no_answer(said: list[dict[str, Any]]) -> None:
    broken = gemini(*said, finish="MALFORMED_FUNCTION_CALL")
    with pytest.raises(BadAnswer):
        GOOGLE.read_answer(json.dumps(broken).encode(), Answer())
    with pytest.raises(BadAnswer):
        read_stream(GOOGLE, [events(gemini(*said, finish=None), broken)])
    words = gemini({"text": "Well."}, finish="MALFORMED_FUNCTION_CALL")
    stream, _ = read_stream(GOOGLE, [events(gemini({"text": "Well."}, finish=None), broken)])
    assert added_up(stream)["content"] == "Well."
    assert json.loads(GOOGLE.read_answer(json.dumps(words).encode(), Answer()))["choices"][0]["message"][
        "content"
    ]


def test_a_picture_in_an_answer_is_told_and_never_left_out() -> None:
    parts = ({"text": "Here:"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}})
    whole = GOOGLE.read_answer(json.dumps(gemini(*parts)).encode(), Answer())
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert json.loads(whole)["choices"][0]["message"]["images"] == [picture]
    stream, _ = read_stream(GOOGLE, [events(gemini(*parts))])
    deltas = [choice["delta"] for document in documents(stream) for choice in document["choices"]]
    assert [delta["images"] for delta in deltas if "images" in delta] == [[picture]]
    with pytest.raises(BadAnswer):
        ANTHROPIC_DIALECT.write_answer(whole, native=False)
    with pytest.raises(BadAnswer):
        ANTHROPIC_DIALECT.outlet(native=False).pass_on(stream)


# --- the others


def test_what_cohere_bills_is_counted_and_not_what_its_model_saw() -> None:
    usage = {
        "billed_units": {"input_tokens": 3, "output_tokens": 4},
        "tokens": {"input_tokens": 30, "output_tokens": 5},
    }
    answer = Answer()
    PROVIDERS["cohere"].read_answer(
        json.dumps({"id": "c", "finish_reason": "COMPLETE", "message": {}, "usage": usage}).encode(), answer
    )
    assert (answer.input_tokens, answer.output_tokens) == (3, 4)


def test_a_call_of_cohere_without_arguments_has_an_empty_object_of_them() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}

    def told(kind: str, index: int, **call: Any) -> dict[str, Any]:
        return {"type": kind, "index": index, "delta": {"message": {"tool_calls": call}}}

    whole = {"id": "c", "finish_reason": "TOOL_CALL", "message": {"tool_calls": [call]}}
    document = json.loads(PROVIDERS["cohere"].read_answer(json.dumps(whole).encode(), Answer()))
    assert document["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
    stream, _ = read_stream(
        PROVIDERS["cohere"],
        [
            events(
                {"type": "message-start", "id": "c"},
                told("tool-call-start", 0, **call),
                {"type": "tool-call-end", "index": 0},
                told("tool-call-start", 1, **call),
                told("tool-call-delta", 1, function={"arguments": '{"x":'}),
                told("tool-call-delta", 1, function={"arguments": "1}"}),
                {"type": "tool-call-end", "index": 1},
                {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}},
            )
        ],
    )
    assert [call["arguments"] for call in added_up(stream)["tool_calls"]] == ["{}", '{"x":1}']


def test_an_error_that_openrouter_tells_as_a_finish_reason_is_a_failure() -> None:
    answer = Answer()
    failed = completion(choices=[{"index": 0, "message": {"content": "Hal"}, "finish_reason": "error"}])
    PROVIDERS["openrouter"].read_answer(json.dumps(failed).encode(), answer)
    assert answer.failed


def test_a_streamed_call_of_the_binding_is_what_the_answer_ended_for() -> None:
    said: list[dict[str, Any]] = [
        {"response": ""},
        {"response": "", "tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
    ]
    stream, answer = read_stream(PROVIDERS["workers_ai"], [events(*said) + b"data: [DONE]\n\n"])
    assert answer.finish_reasons == ("tool_calls",)
    assert added_up(stream)["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("name", ["openai", "mistral", "openrouter", "workers_ai"])
def test_an_answer_without_a_single_choice_is_none(name: str) -> None:
    with pytest.raises(BadAnswer):
        PROVIDERS[name].read_answer(json.dumps(completion(choices=[])).encode(), Answer(created=CREATED))
