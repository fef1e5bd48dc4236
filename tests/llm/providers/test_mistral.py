from __future__ import annotations

from typing import Any

import pytest

from lumigate.errors import UnsupportedByProvider
from lumigate.llm.provider import Answer
from lumigate.llm.providers.mistral import MistralProvider
from tests.llm.conversation import MESSAGES, TOOLS
from tests.llm.recorded import build, recorded, sent

PROVIDER = MistralProvider()


def test_parameters_go_out_by_their_names_and_unknown_ones_not_at_all() -> None:
    built = sent(
        "mistral", max_completion_tokens=9, seed=7, user="u", stream=True, tools=TOOLS, tool_choice="required"
    )
    del built["messages"], built["tools"]
    assert built == {"model": "m", "max_tokens": 9, "random_seed": 7, "stream": True, "tool_choice": "any"}


def test_an_id_of_a_tool_call_that_they_would_refuse_is_replaced_alike_on_both_sides() -> None:
    built = sent("mistral", messages=MESSAGES)["messages"]
    calls = [call["id"] for call in built[3]["tool_calls"]]
    results = [message["tool_call_id"] for message in built[4:6]]
    assert calls == results
    assert all(len(identity) == 9 and identity.isalnum() for identity in calls)
    assert built[1]["role"] == "system"
    own = {"role": "tool", "tool_call_id": "VvvODy9mT", "content": "x"}
    assert sent("mistral", messages=[own])["messages"] == [own]


@pytest.mark.parametrize(
    ("change", "param"), [({"logprobs": True}, "logprobs"), ({"temperature": 1.9}, "temperature")]
)
def test_what_they_cannot_do_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedByProvider) as caught:
        build("mistral", **change)
    assert caught.value.param == param


def test_the_field_that_they_found_wrong_is_named() -> None:
    assert PROVIDER.error_message(recorded("mistral", "error.json")) == (
        "Extra inputs are not permitted",
        "stream_options",
    )


def test_a_failure_under_a_200_is_one_whatever_it_holds() -> None:
    answer = Answer(created=1)
    body = b'{"error":{"content":[{"type":"text"}]}}'
    assert PROVIDER.read_answer(body, answer) == body
    assert answer.failed
