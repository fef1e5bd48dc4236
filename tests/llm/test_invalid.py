"""Wrong types and sizes in the fields of a request: a 400 that names the place, whoever would have answered."""

from __future__ import annotations

from typing import Any

import pytest

from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.chat import MAX_TOKEN_CAP, ChatRequest
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.llm.parts import chosen_function, functions_of

HELLO = [{"role": "user", "content": "hello"}]
NO_LIST: list[Any] = [5, "x", True, {}]
NO_OBJECT: list[Any] = [5, "x", True, []]


def chat(**changes: Any) -> ChatRequest:
    return ChatRequest.parse({"model": "fast", "messages": HELLO, **changes})


def message(**changes: Any) -> ChatRequest:
    return ANTHROPIC_DIALECT.parse({"model": "fast", "max_tokens": 5, "messages": HELLO, **changes}, {})


@pytest.mark.parametrize(
    ("changes", "param", "message"),
    [
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content", "a valid string, or"),
        ({"messages": [{"role": "user", "content": [1]}]}, "messages.0.content.0", "an object"),
        ({"stream_options": 1}, "stream_options", "an object"),
        ({"tool_choice": 5}, "tool_choice", "a valid string, or Input should be an object"),
        ({"tools": [1]}, "tools.0", "an object"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls", "a valid boolean"),
        ({"response_format": "json"}, "response_format", "an object"),
        ({"stop": [1]}, "stop.0", "a valid string"),
        ({"logprobs": 1}, "logprobs", "a valid boolean"),
        ({"top_logprobs": []}, "top_logprobs", "a valid integer"),
        ({"presence_penalty": "much"}, "presence_penalty", "a valid number"),
        ({"seed": 1.5}, "seed", "a valid integer"),
        ({"user": 1}, "user", "a valid string"),
    ],
)
def test_a_wrong_type_in_openais_words_is_told_with_its_place(
    changes: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(stream=True, **changes)
    assert caught.value.param == param
    assert message in caught.value.message
    assert "_StreamOptions" not in caught.value.message


@pytest.mark.parametrize("tokens", [MAX_TOKEN_CAP + 1, 2**63, 10**400])
def test_a_cap_that_is_no_number_of_tokens_is_refused_at_both_doors(tokens: int) -> None:
    for parse in (chat, message):
        with pytest.raises(InvalidRequest) as caught:
            parse(max_tokens=tokens)
        assert caught.value.param == "max_tokens"
    with pytest.raises(InvalidRequest):
        chat(max_completion_tokens=tokens)


def test_two_caps_that_differ_are_refused_since_providers_differ_in_which_they_obey() -> None:
    assert chat(max_tokens=5, max_completion_tokens=5).max_tokens == 5
    with pytest.raises(InvalidRequest) as caught:
        chat(max_tokens=100_000, max_completion_tokens=1)
    assert caught.value.param == "max_tokens"


@pytest.mark.parametrize("name", ["tool_choice", "metadata", "thinking", "output_config"])
@pytest.mark.parametrize("value", NO_OBJECT)
def test_what_must_be_an_object_in_anthropics_words_is_not_lost(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        message(**{name: value})
    assert caught.value.param == name


@pytest.mark.parametrize("value", NO_LIST)
def test_tools_that_are_no_list_are_not_lost(value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        message(tools=value)
    assert caught.value.param == "tools"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"system": [{"type": "text"}]}, "system.0.text"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": True}}, "thinking.budget_tokens"),
        ({"output_config": {"format": "json"}}, "output_config.format"),
        ({"output_config": {"effort": 5}}, "output_config.effort"),
        ({"tools": [{"name": "x", "input_schema": []}]}, "tools.0.input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"service_tier": 5}, "service_tier"),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "content": [{"type": "tool_use", "id": "a", "name": "n", "input": "x"}],
                    }
                ]
            },
            "messages.0.content.0.input",
        ),
    ],
)
def test_what_makes_no_sense_in_anthropics_words_is_told_with_its_place(
    changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        message(**changes)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"thinking": {"type": "deeper"}}, "thinking.type"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_config": {"task_budget": {}}}, "output_config.task_budget"),
        ({"tools": [{"name": "x", "defer_loading": True}]}, "tools.0.defer_loading"),
        ({"tools": [{"name": "x"}], "tool_choice": {"type": "perhaps"}}, "tool_choice.type"),
        ({"service_tier": "gold"}, "service_tier"),
    ],
)
def test_what_only_anthropic_knows_is_named_where_another_would_have_to_answer(
    changes: dict[str, Any], param: str
) -> None:
    request = message(**changes)
    assert isinstance(request.untranslatable, UnsupportedByProvider)
    assert request.untranslatable.param == param
    assert request.native is not None


def test_a_document_that_is_to_be_cited_is_not_turned_into_plain_text() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    block = {"type": "document", "source": source, "citations": {"enabled": True}}
    request = message(messages=[{"role": "user", "content": [block]}])
    assert request.untranslatable is not None
    assert request.untranslatable.param == "messages.0.content.0.citations"


def test_the_standard_tier_is_openais_default_one() -> None:
    assert message(service_tier="standard_only").body["service_tier"] == "default"
    assert "service_tier" not in message(service_tier="auto").body


def test_tools_that_only_openai_knows_leave_the_way_to_the_next_candidate_open() -> None:
    for tool in ({"type": "custom", "custom": {"name": "x"}}, {"type": "web_search"}):
        with pytest.raises(UnsupportedByProvider) as caught:
            functions_of({"tools": [tool]})
        assert caught.value.param == "tools.0"
    with pytest.raises(UnsupportedByProvider):
        chosen_function({"type": "allowed_tools", "allowed_tools": {}})
