"""A request's size is reckoned from all that a model reads: no way of writing it makes a large prompt a small one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.llm.chat import ChatRequest
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.llm.prompt_size import prompt_tokens
from tests.fakes.gateway import error_of, make_gateway

LONG = "word " * 20_000
TOKENS = len(LONG) // 4
CLAUDE = json.dumps(
    {"claude": {"provider": "anthropic", "model": "claude-sonnet-5-5", "input_usd_per_mtok": 3}}
)


def tokens_of(**changes: Any) -> int:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], **changes}
    return ANTHROPIC_DIALECT.parse(body, {}).prompt_tokens_estimate


@pytest.mark.parametrize("beyond", [{}, {"context_management": {}}, {"container": "c"}])
def test_words_that_only_anthropic_knows_do_not_make_a_prompt_smaller(beyond: dict[str, Any]) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": LONG}
    for large in (
        {"messages": [{"role": "user", "content": LONG}]},
        {"system": LONG},
        {"system": [{"type": "text", "text": LONG}]},
        {"messages": [{"role": "user", "content": [result]}]},
        {"tools": [{"name": "t", "description": LONG, "input_schema": {}}]},
    ):
        assert tokens_of(**large, **beyond) >= TOKENS


def test_a_picture_is_a_flat_number_whatever_its_size() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 1_000_000}
    messages = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    assert 900 < tokens_of(messages=messages, context_management={}) < 1200


@pytest.mark.parametrize(
    "large",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"description": LONG}}}},
        {"prediction": {"type": "content", "content": LONG}},
    ],
)
def test_what_stands_beside_the_messages_counts(large: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **large}
    assert ChatRequest.parse(body).prompt_tokens_estimate >= TOKENS


async def test_the_ceiling_of_a_request_holds_for_words_that_only_anthropic_knows() -> None:
    rig = make_gateway(MODELS=CLAUDE, MAX_REQUEST_COST_USD="0.01", ANTHROPIC_API_KEY="k")
    body = {
        "model": "claude",
        "max_tokens": 1,
        "context_management": {"edits": []},
        "messages": [{"role": "user", "content": LONG}],
    }
    response = await rig.send(path="/v1/messages", body=body)
    assert (response.status, error_of(response)["code"]) == (400, "cost_ceiling_exceeded")


@pytest.mark.parametrize(
    ("text", "tokens"), [("a" * 400, 100), ("日本語の文章" * 10, 60), ("Größe" * 8, 16), ("", 0)]
)
def test_characters_of_asian_scripts_are_a_token_each(text: str, tokens: int) -> None:
    empty = prompt_tokens({"messages": [{"role": "user", "content": ""}]})
    assert prompt_tokens({"messages": [{"role": "user", "content": text}]}) - empty == tokens
