"""Turns at Anthropic's door that another provider would have to read: told whole, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.errors import InvalidRequest
from lumigate.llm.chat import ChatRequest
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from tests.fakes import completion

USER = {"role": "user", "content": "hello"}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "21"}


def parse(*messages: Any, **more: Any) -> ChatRequest:
    return ANTHROPIC_DIALECT.parse({"model": "m", "max_tokens": 5, "messages": list(messages), **more}, {})


@pytest.mark.parametrize(("role", "block"), [("assistant", PICTURE), ("assistant", RESULT), ("user", CALL)])
def test_a_block_that_its_role_cannot_say_elsewhere_is_not_left_out(role: str, block: Any) -> None:
    text = {"type": "text", "text": "look"}
    chat = parse(USER, {"role": role, "content": [text, block]}, USER)
    assert chat.untranslatable is not None
    assert chat.untranslatable.param == "messages.1.content"


def test_a_turn_that_only_thought_says_nothing_elsewhere() -> None:
    thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
    assert parse(USER, thought, USER).body["messages"] == [USER, USER]


def test_the_title_of_a_document_in_text_stays_with_it() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "Once upon a time."}
    (message,) = parse(
        {"role": "user", "content": [{"type": "document", "title": "A tale", "source": source}]}
    ).body["messages"]
    assert message["content"] == [{"type": "text", "text": "A tale\n\nOnce upon a time."}]


@pytest.mark.parametrize("kind", [{"type": "any"}, {"type": "tool", "name": "f"}])
def test_a_tool_that_must_be_called_must_be_there(kind: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(USER, tool_choice=kind)
    assert caught.value.param == "tool_choice"


def test_counts_that_contradict_each_other_are_none_below_zero() -> None:
    usage = {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}, "completion_tokens": 1}
    told = json.loads(
        ANTHROPIC_DIALECT.write_answer(json.dumps(completion(usage=usage)).encode(), native=False)
    )
    assert (told["usage"]["input_tokens"], told["usage"]["cache_read_input_tokens"]) == (0, 9)
