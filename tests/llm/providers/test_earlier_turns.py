"""What earlier turns hold reaches every provider in its own words, or is refused by name; nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import UnsupportedByProvider
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer
from lumigate.llm.providers import PROVIDERS
from tests.llm.recorded import sent

USER = {"role": "user", "content": "hello"}
TRANSLATED = ("anthropic", "google", "cohere", "mistral")
TOOL = {"type": "function", "function": {"name": "f"}}


def asked(*calls: tuple[str, str]) -> dict[str, Any]:
    """An assistant's message that calls `f` with each argument."""
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": identity, "type": "function", "function": {"name": "f", "arguments": json.dumps({"x": x})}}
            for identity, x in calls
        ],
    }


def result(identity: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def sent_to(provider: str, model: str, base_url: str, **body: Any) -> dict[str, Any]:
    chat = ChatRequest.parse({"model": "alias", "messages": [USER], **body})
    access = ProviderAccess(name=provider, base_url=base_url, api=provider)
    call = PROVIDERS[provider].build_call(access, ModelRoute(provider=provider, model=model), chat)
    document: dict[str, Any] = json.loads(call.body)
    return document


@pytest.mark.parametrize("provider", TRANSLATED)
@pytest.mark.parametrize("content", [None, ""])
def test_a_refusal_of_an_earlier_turn_is_told_on(provider: str, content: str | None) -> None:
    refused = {"role": "assistant", "content": content, "refusal": "I will not."}
    assert "I will not." in json.dumps(sent(provider, messages=[USER, refused, USER]))


@pytest.mark.parametrize("provider", TRANSLATED)
@pytest.mark.parametrize(
    ("member", "value"), [("audio", {"id": "audio_1"}), ("function_call", {"name": "f", "arguments": "{}"})]
)
def test_what_an_earlier_turn_held_beside_its_content_is_refused_by_name(
    provider: str, member: str, value: Any
) -> None:
    turn = {"role": "assistant", "content": None, member: value}
    with pytest.raises(UnsupportedByProvider) as caught:
        sent(provider, messages=[USER, turn, USER])
    assert caught.value.param == f"messages.1.{member}"


def test_empty_texts_which_anthropic_refuses_are_left_out() -> None:
    messages = [
        {"role": "system", "content": ""},
        USER,
        asked(("a", "1")),
        result("a", [{"type": "text", "text": ""}, {"type": "text", "text": "one"}]),
    ]
    body = sent("anthropic", messages=messages)
    assert "system" not in body
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": "1"}}
    ]
    assert body["messages"][2]["content"][0]["content"] == [{"type": "text", "text": "one"}]


def test_empty_texts_which_google_refuses_are_left_out() -> None:
    messages = [{"role": "system", "content": ""}, USER, asked(("call_a", "1")), result("call_a", "one")]
    body = sent("google", messages=messages)
    assert "systemInstruction" not in body
    assert body["contents"][1]["parts"] == [{"functionCall": {"name": "f", "args": {"x": "1"}}}]


def test_results_that_come_in_another_order_than_their_calls_are_put_in_googles() -> None:
    """Results of one function are told apart by their order there, where the calls have no ids."""
    calls = asked(("call_a", "Paris"), ("call_b", "London"), ("call_c", "Rome"))
    results = [result("call_c", "snow"), result("call_a", "sun"), result("call_b", "rain")]
    contents = sent("google", messages=[USER, calls, *results, USER])["contents"]
    said = [part["functionResponse"]["response"]["result"] for part in contents[2]["parts"][:3]]
    assert said == ["sun", "rain", "snow"]
    assert contents[2]["parts"][3] == {"text": "hello"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash", [None, None]),
        ("gemini-3-pro", ["skip_thought_signature_validator", None]),
        ("gemini-3.8-flash", ["skip_thought_signature_validator", None]),
    ],
)
def test_calls_of_another_model_have_what_newer_ones_of_google_ask_for(
    model: str, expected: list[str | None]
) -> None:
    """They refuse a turn whose first call has no signature of a thought."""
    calls = asked(("toolu_a", "1"), ("toolu_b", "2"))
    messages = [USER, calls, result("toolu_a", "one"), result("toolu_b", "two")]

    def signatures() -> list[Any]:
        contents = sent_to("google", model, "https://provider.example", messages=messages)["contents"]
        return [part.get("thoughtSignature") for part in contents[1]["parts"]]

    assert signatures() == expected
    calls["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "real"}}
    assert signatures() == ["real", None]


def test_an_id_that_is_googles_own_goes_back_with_the_call_and_its_result() -> None:
    whole = {
        "candidates": [{"content": {"parts": [{"functionCall": {"id": "g7", "name": "f", "args": {}}}]}}],
        "responseId": "r",
    }
    answer = json.loads(PROVIDERS["google"].read_answer(json.dumps(whole).encode(), Answer()))
    message = answer["choices"][0]["message"]
    contents = sent("google", messages=[USER, message, result("g7", "one")])["contents"]
    assert contents[1]["parts"][0]["functionCall"]["id"] == "g7"
    assert contents[2]["parts"][0]["functionResponse"]["id"] == "g7"


@pytest.mark.parametrize("provider", ["anthropic", "google", "cohere"])
def test_what_a_schema_is_for_stays_with_it(provider: str) -> None:
    described = {"name": "city", "description": "Where it is.", "schema": {"type": "object"}}
    form = {"type": "json_schema", "json_schema": described}
    assert "Where it is." in json.dumps(sent(provider, response_format=form))
    described["schema"] = {"type": "object", "description": "Its own."}
    told = json.dumps(sent(provider, response_format=form))
    assert "Its own." in told
    assert "Where it is." not in told


@pytest.mark.parametrize("inside", [False, True], ids=["beside", "inside"])
def test_a_mark_for_anthropics_prompt_cache_stays_on_its_tool(inside: bool) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    tool = {**TOOL, "function": {"name": "f", **mark}} if inside else {**TOOL, **mark}
    first, second = sent("anthropic", tools=[TOOL, tool])["tools"]
    assert "cache_control" not in first
    assert second["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5-mini", "gpt-5.1"])
def test_openais_thinking_models_get_the_cap_by_the_only_name_they_know(model: str) -> None:
    body = sent_to("openai", model, "https://provider.example", max_tokens=7)
    assert (body.get("max_tokens"), body["max_completion_tokens"]) == (None, 7)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "llama-3", "openai/gpt-5"])
def test_others_get_the_cap_by_the_name_it_came_by(model: str) -> None:
    assert sent_to("openai", model, "https://provider.example", max_tokens=7)["max_tokens"] == 7
    assert sent_to("openai", model, "https://provider.example", max_completion_tokens=7) == {
        "model": model,
        "messages": [USER],
        "max_completion_tokens": 7,
    }


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_binding_of_workers_ai_gets_the_cap_by_the_name_it_knows(name: str) -> None:
    assert sent_to("workers_ai", "@cf/m", "", **{name: 7}) == {"messages": [USER], "max_tokens": 7}


def test_calls_of_the_binding_have_ids_that_no_other_turn_has() -> None:
    provider = PROVIDERS["workers_ai"]
    whole = json.dumps({"response": None, "tool_calls": [{"name": "f"}, {"name": "f"}]}).encode()

    def ids(created: int) -> list[str]:
        (choice,) = json.loads(provider.read_answer(whole, Answer(created=created)))["choices"]
        return [call["id"] for call in choice["message"]["tool_calls"]]

    assert len({*ids(1), *ids(2)}) == 4


@pytest.mark.parametrize(
    ("change", "param"), [({"dimensions": 2}, "dimensions"), ({"input": [[1, 2]]}, "input")]
)
def test_what_the_binding_cannot_do_with_vectors_is_refused_by_name(
    change: dict[str, Any], param: str
) -> None:
    access = ProviderAccess(name="workers_ai", base_url="", api="workers_ai")
    route = ModelRoute(provider="workers_ai", model="@cf/m")
    body = {"model": "alias", "input": ["a"], "encoding_format": "float", **change}
    with pytest.raises(UnsupportedByProvider) as caught:
        PROVIDERS["workers_ai"].build_embeddings_call(access, route, body)
    assert caught.value.param == param


def test_a_turn_without_words_is_no_turn_to_anthropic() -> None:
    answer = {"role": "assistant", "content": "Yes?"}
    messages = sent("anthropic", messages=[{"role": "user", "content": ""}, answer, USER])["messages"]
    assert [turn["role"] for turn in messages] == ["assistant", "user"]
    assert all(turn["content"] for turn in messages)


def test_thoughts_and_pictures_of_other_models_are_not_put_to_openai_which_may_refuse_them() -> None:
    said = {"role": "assistant", "content": "Yes?"}
    thought = {
        **said,
        "reasoning_content": "hm",
        "reasoning_details": [{"type": "reasoning.text"}],
        "images": [],
    }
    assert sent("openai", messages=[USER, thought, USER])["messages"] == [USER, said, USER]
    assert sent("openrouter", messages=[USER, thought, USER])["messages"] == [USER, thought, USER]
    called = asked(("a", "1"))
    signed = asked(("a", "1"))
    signed["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "s"}}
    assert sent("openai", messages=[USER, signed])["messages"] == [USER, called]
    assert sent("openrouter", messages=[USER, signed])["messages"] == [USER, signed]


@pytest.mark.parametrize(
    ("model", "can"), [("claude-sonnet-4-5", False), ("claude-sonnet-5-5", True)], ids=["budget", "effort"]
)
def test_a_model_with_a_budget_cannot_think_on_about_calls_without_their_thoughts(
    model: str, can: bool
) -> None:
    """They refuse it; another candidate may not."""
    turns: list[Any] = [USER, asked(("a", "1")), result("a", "one")]

    def body(messages: list[Any], **more: Any) -> dict[str, Any]:
        return sent_to("anthropic", model, "https://provider.example", messages=messages, **more)

    if can:
        assert body(turns, reasoning_effort="high")["thinking"]
    else:
        with pytest.raises(UnsupportedByProvider) as caught:
            body(turns, reasoning_effort="high")
        assert caught.value.param == "reasoning_effort"
    assert "thinking" not in body(turns)
    assert body([*turns, {"role": "assistant", "content": "One."}, USER], reasoning_effort="high")["thinking"]
    detail = {"type": "reasoning.text", "text": "hm", "signature": "s"}
    thought = {**asked(("a", "1")), "reasoning_details": [detail]}
    assert body([USER, thought, result("a", "one")], reasoning_effort="high")["thinking"]
