"""Whether an answer that calls a tool may be given twice is asked of the request as it came, in whatever words."""

from __future__ import annotations

from typing import Any

import pytest

from lumigate.cache.policy import Ruling, rule
from lumigate.cache.settings import CacheRules
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT

TOOL = {"name": "delete_file", "input_schema": {"type": "object"}}
ASKED: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "temperature": 0,
    "messages": [{"role": "user", "content": "x"}],
    "tools": [TOOL],
}


def ruled(**changes: Any) -> Ruling:
    rules = CacheRules(safe_tools=("get_*",))
    chat = ANTHROPIC_DIALECT.parse(ASKED | changes, {})
    return rule(rules, chat, {}, longest_seconds=60)


@pytest.mark.parametrize(
    "changes",
    [{}, {"context_management": {"edits": []}}, {"container": "c"}],
    ids=["plain", "native", "other"],
)
def test_a_tool_that_is_not_named_as_safe_is_not_called_twice(changes: dict[str, Any]) -> None:
    assert not ruled(**changes).keeps_tool_calls


@pytest.mark.parametrize("changes", [{}, {"context_management": {"edits": []}}], ids=["plain", "native"])
def test_one_that_is_may_be(changes: dict[str, Any]) -> None:
    assert ruled(tools=[TOOL | {"name": "get_weather"}], **changes).keeps_tool_calls
