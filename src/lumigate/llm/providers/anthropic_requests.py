"""A request in canonical form as Anthropic's Messages API takes it.

Shapes: https://docs.claude.com/en/api/messages, …/docs/build-with-claude/structured-outputs (`output_config.format`).
System and developer messages are gathered in `system`; signed thoughts of earlier answers (`reasoning_details`) are
handed back as they came. `thinking` and the `cache_control` of a part or a tool pass as given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.chat import ChatRequest
from lumigate.llm.parts import (
    INSTRUCTIONS,
    Media,
    arguments_of,
    chosen_function,
    file_of,
    functions_of,
    image_of,
    parts_of,
    schema_of,
    stops_of,
    tool_calls_of,
)
from lumigate.llm.provider import USUAL, mapping, refuse_unknown, sequence, text
from lumigate.llm.providers.anthropic_thinking import budget_of, think

DEFAULT_MAX_TOKENS = 4096
"""The API demands a cap; this one stands where the caller set none."""
_TOOL_CHOICE = {"auto": "auto", "required": "any", "none": "none"}
_KNOWN = USUAL | {"top_k", "parallel_tool_calls", "thinking", "service_tier"}


def messages_request(access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> dict[str, Any]:
    """The body. Raises `UnsupportedByProvider`, and `InvalidRequest` for what nobody could do."""
    body = chat.body
    refuse_unknown(access, body, _KNOWN)
    system, messages = _messages(access, body["messages"])
    cap = chat.max_tokens or DEFAULT_MAX_TOKENS
    request: dict[str, Any] = {"model": route.model, "max_tokens": cap, "messages": messages}
    optional = {
        "system": system,
        "temperature": _temperature(access, chat),
        "top_p": chat.top_p,
        "top_k": body.get("top_k"),
        "stop_sequences": stops_of(body) or None,
        "metadata": {"user_id": body["user"]} if isinstance(body.get("user"), str) else None,
        "output_config": _output_config(access, body),
        "service_tier": _service_tier(access, body),
        "stream": chat.stream or None,
    }
    request |= {name: value for name, value in optional.items() if value not in (None, [])}
    request |= _tools(access, body)
    think(route.model, body, request)
    if budget_of(route.model, body) and _calls_without_thoughts(messages):
        what = "thinking on about calls of tools whose thoughts were not handed back"
        raise UnsupportedByProvider(access.name, what, param="reasoning_effort")
    return request


def _calls_without_thoughts(turns: list[dict[str, Any]]) -> bool:
    """Whether results of tools come last, and the turn that asked for them does not begin with its thoughts."""
    if len(turns) < 2 or turns[-1]["content"][0]["type"] != "tool_result":
        return False
    return turns[-2]["content"][0]["type"] not in ("thinking", "redacted_thinking")


def _messages(
    access: ProviderAccess, messages: list[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The system prompt, and the rest as turns: neighbours of one role become one message."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        where, role = f"messages.{index}", message["role"]
        if role in INSTRUCTIONS:
            system += _blocks(access, message, where)
            continue
        if role == "function":
            raise UnsupportedByProvider(access.name, "messages of the role 'function'", param=f"{where}.role")
        if message.get("name") is not None and role != "tool":
            raise UnsupportedByProvider(access.name, "names of participants", param=f"{where}.name")
        blocks = _tool_result(access, message, where) if role == "tool" else _content(access, message, where)
        speaker = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": speaker, "content": blocks})
    if not turns:
        raise InvalidRequest(f"{access.name} needs a message that is not the system's", param="messages")
    return system, turns


def _content(access: ProviderAccess, message: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    blocks = [dict(block) for block in _thoughts(message)] if message["role"] == "assistant" else []
    blocks += _blocks(access, message, where)
    for index, call in enumerate(tool_calls_of(message, where)):
        arguments = arguments_of(call, f"{where}.tool_calls.{index}")
        name = call["function"]["name"]
        blocks.append({"type": "tool_use", "id": call["id"], "name": name, "input": arguments})
    return blocks


def _blocks(access: ProviderAccess, message: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """The parts of a message's content, but for empty text, which is an error there."""
    return [
        _block(access, part, f"{where}.content.{index}")
        for index, part in enumerate(parts_of(message, where))
        if part["type"] != "text" or part["text"]
    ]


def _thoughts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Signed thoughts of an earlier answer, as this API sent them; thoughts of other models teach it nothing."""
    blocks: list[Mapping[str, Any]] = []
    for detail in map(mapping, sequence(message.get("reasoning_details"))):
        if detail.get("type") == "reasoning.text" and text(detail.get("signature")):
            thinking = text(detail.get("text"))
            blocks.append({"type": "thinking", "thinking": thinking, "signature": detail["signature"]})
        elif detail.get("type") == "reasoning.encrypted" and text(detail.get("data")):
            blocks.append({"type": "redacted_thinking", "data": detail["data"]})
    return blocks


def _block(access: ProviderAccess, part: Mapping[str, Any], where: str) -> dict[str, Any]:
    match part["type"]:
        case "text" | "refusal":
            block: dict[str, Any] = {"type": "text", "text": part[part["type"]]}
        case "image_url":
            block = {"type": "image", "source": _source(image_of(part, where))}
        case "file":
            media, name = file_of(part, where)
            block = {"type": "document", "source": _source(media)} | ({"title": name} if name else {})
        case kind:
            raise UnsupportedByProvider(access.name, f"content of the type '{kind[:64]}'", param=where)
    if isinstance(part.get("cache_control"), dict):
        block["cache_control"] = part["cache_control"]
    return block


def _source(media: Media) -> dict[str, str]:
    if media.url:
        return {"type": "url", "url": media.url}
    return {"type": "base64", "media_type": media.media_type, "data": media.data}


def _tool_result(access: ProviderAccess, message: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    identity = message.get("tool_call_id")
    if not isinstance(identity, str):
        raise InvalidRequest("must name the call that it answers", param=f"{where}.tool_call_id")
    content = message.get("content")
    if not isinstance(content, str):
        content = _blocks(access, message, where)
    return [{"type": "tool_result", "tool_use_id": identity, "content": content}]


def _tools(access: ProviderAccess, body: Mapping[str, Any]) -> dict[str, Any]:
    tools = []
    for (_, function), given in zip(functions_of(body), body.get("tools") or (), strict=True):
        tool = {"name": function["name"], "input_schema": function.get("parameters") or {"type": "object"}}
        more = {name: function[name] for name in ("description", "strict") if function.get(name) is not None}
        if isinstance(mark := given.get("cache_control") or function.get("cache_control"), dict):
            more["cache_control"] = mark
        tools.append(tool | more)
    if not tools:
        return {}
    wanted = body.get("tool_choice")
    choice: dict[str, Any]
    if wanted is None or (isinstance(wanted, str) and wanted in _TOOL_CHOICE):
        choice = {"type": _TOOL_CHOICE[wanted or "auto"]}
    else:
        choice = {"type": "tool", "name": chosen_function(wanted)}
    if body.get("parallel_tool_calls") is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": choice}


def _temperature(access: ProviderAccess, chat: ChatRequest) -> float | None:
    if chat.temperature is not None and chat.temperature > 1:
        raise UnsupportedByProvider(access.name, "a temperature above 1", param="temperature")
    return chat.temperature


def _output_config(access: ProviderAccess, body: Mapping[str, Any]) -> dict[str, Any] | None:
    kind, schema = schema_of(body)
    if kind == "json_object":
        what = "JSON mode without a schema (send response_format of type json_schema)"
        raise UnsupportedByProvider(access.name, what, param="response_format")
    return {"format": {"type": "json_schema", "schema": schema}} if schema is not None else None


def _service_tier(access: ProviderAccess, body: Mapping[str, Any]) -> str | None:
    wanted = body.get("service_tier")
    if wanted in (None, "auto"):
        return wanted
    if wanted == "default":
        return "standard_only"
    raise UnsupportedByProvider(access.name, "this service tier", param="service_tier")
