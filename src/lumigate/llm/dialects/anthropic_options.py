"""What a request in Anthropic's words asks for beside its messages: tools, thinking, the form of the answer, the tier.

Shapes: https://docs.claude.com/en/api/messages. What has no like elsewhere is a 400 that names it, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.provider import mapping, sequence

_TOOL_MEMBERS = frozenset(
    {
        *("type", "name", "description", "input_schema", "strict", "cache_control"),
        "eager_input_streaming",  # how the arguments are cut into events, not what they are
    }
)


def options(body: Mapping[str, Any]) -> dict[str, Any]:
    """Their like in canonical form. Raises `InvalidRequest`, or `UnsupportedByProvider` for what has none."""
    return _tools(body) | _thinking(body) | _output(body) | _service_tier(body)


def only_anthropic(what: str, where: str) -> UnsupportedByProvider:
    return UnsupportedByProvider("A provider other than anthropic", what, param=where)


def required(block: Mapping[str, Any], name: str, where: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise InvalidRequest("must be text", param=f"{where}.{name}")
    return value


def object_of(block: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """A member that is an object; an empty one where it is absent."""
    value = block.get(name)
    if value is not None and not isinstance(value, dict):
        raise InvalidRequest("must be an object", param=f"{where}.{name}")
    return value or {}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools = []
    for index, tool in enumerate(sequence(body.get("tools"))):
        where = f"tools.{index}"
        if tool.get("type") not in (None, "custom"):
            raise only_anthropic("a tool that runs at the provider", where)
        for name, value in tool.items():
            if name not in _TOOL_MEMBERS and value is not None:
                raise only_anthropic(f"the member '{name[:64]}' of a tool", f"{where}.{name[:64]}")
        function = {
            "name": required(tool, "name", where),
            "parameters": object_of(tool, "input_schema", where) or {"type": "object"},
        }
        for name in ("description", "strict"):
            if tool.get(name) is not None:
                function[name] = tool[name]
        tools.append({"type": "function", "function": function})
    if not tools and mapping(body.get("tool_choice")).get("type") in ("any", "tool"):
        raise InvalidRequest("is allowed only with 'tools'", param="tool_choice")
    return {"tools": tools} | _tool_choice(body) if tools else {}


def _tool_choice(body: Mapping[str, Any]) -> dict[str, Any]:
    choice = body.get("tool_choice")
    if choice is None:
        return {}
    translated: dict[str, Any] = {}
    match choice.get("type"):
        case "auto":
            pass
        case "any":
            translated["tool_choice"] = "required"
        case "none":
            translated["tool_choice"] = "none"
        case "tool":
            name = required(choice, "name", "tool_choice")
            translated["tool_choice"] = {"type": "function", "function": {"name": name}}
        case _:
            raise only_anthropic("this kind of tool choice", "tool_choice.type")
    if choice.get("disable_parallel_tool_use") is True:
        translated["parallel_tool_calls"] = False
    return translated


def _thinking(body: Mapping[str, Any]) -> dict[str, Any]:
    """A budget as the effort that comes nearest; models that choose for themselves are left to it."""
    thinking = mapping(body.get("thinking"))
    match thinking.get("type"):
        case "enabled":
            budget = thinking.get("budget_tokens")
            if type(budget) is not int:
                raise InvalidRequest("must be a whole number", param="thinking.budget_tokens")
            return {"reasoning_effort": "low" if budget < 4096 else "medium" if budget < 16384 else "high"}
        case "adaptive" | "disabled":
            return {}
    if not thinking:
        return {}
    raise only_anthropic("this kind of thinking", "thinking.type")


def _output(body: Mapping[str, Any]) -> dict[str, Any]:
    config = mapping(body.get("output_config"))
    translated: dict[str, Any] = {}
    for name, value in config.items():
        if name not in ("format", "effort") and value is not None:
            raise only_anthropic(f"the output's '{name[:64]}'", f"output_config.{name[:64]}")
    if form := object_of(config, "format", "output_config"):
        if form.get("type") != "json_schema":
            raise only_anthropic("this form of output", "output_config.format.type")
        schema = object_of(form, "schema", "output_config.format")
        described = {"name": "answer", "schema": schema, "strict": True}
        translated["response_format"] = {"type": "json_schema", "json_schema": described}
    if config.get("effort") is not None:
        translated["reasoning_effort"] = required(config, "effort", "output_config")
    return translated


def _service_tier(body: Mapping[str, Any]) -> dict[str, Any]:
    """Their standard tier is OpenAI's default one; `auto` is what happens anyway."""
    match body.get("service_tier"):
        case None | "auto":
            return {}
        case "standard_only":
            return {"service_tier": "default"}
    raise only_anthropic("this service tier", "service_tier")
