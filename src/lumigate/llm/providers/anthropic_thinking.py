"""How much a request to Anthropic has the model think: as given, or as much as the effort that was asked for.

https://docs.claude.com/en/docs/build-with-claude/extended-thinking.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lumigate.errors import InvalidRequest

_THINKING_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
_WITH_BUDGET = re.compile(r"claude-(3|(sonnet|opus|haiku)-4-[0-5](-|@|$)|(sonnet|opus)-4[-@]20)")
"""Models that take a budget for thinking; later ones take an effort and choose for themselves."""


def budget_of(model: str, body: Mapping[str, Any]) -> int:
    """What an effort adds to the cap, with models that take a budget and not an effort."""
    effort = body.get("reasoning_effort")
    if body.get("thinking") is not None or not isinstance(effort, str) or not _WITH_BUDGET.match(model):
        return 0
    return _THINKING_TOKENS.get(effort, 0)


def think(model: str, body: Mapping[str, Any], request: dict[str, Any]) -> None:
    """Thinking as given, or the effort that was asked for: for older models a budget, on top of the cap."""
    if (thinking := body.get("thinking")) is not None:
        if not isinstance(thinking, dict):
            raise InvalidRequest("must be an object", param="thinking")
        request["thinking"] = thinking
        return
    effort = body.get("reasoning_effort")
    if effort in (None, "none"):
        return
    if not isinstance(effort, str) or effort not in _THINKING_TOKENS:
        raise InvalidRequest(f"must be none, {', '.join(_THINKING_TOKENS)}", param="reasoning_effort")
    if budget := budget_of(model, body):
        request["thinking"] = {"type": "enabled", "budget_tokens": budget}
        request["max_tokens"] += budget
        return
    request["thinking"] = {"type": "adaptive", "display": "summarized"}
    config = {"effort": "low" if effort == "minimal" else effort}
    request["output_config"] = request.get("output_config", {}) | config
