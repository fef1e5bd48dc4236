"""Anthropic's Messages API.

Shapes: https://docs.claude.com/en/api/messages, …/api/messages-streaming (events), …/api/errors,
…/docs/build-with-claude/structured-outputs (`output_config.format`), …/extended-thinking, …/prompt-caching (usage).
System and developer messages are gathered in `system`; what a model thought is `reasoning_content`, with its signed
blocks in `reasoning_details`, which a later request hands back. `thinking` and a part's `cache_control` pass as given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.canonical import encode, message_of, tool_call, write_completion
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
from lumigate.llm.provider import (
    MAX_MESSAGE_CHARS,
    Answer,
    BadAnswer,
    Call,
    EventReader,
    mapping,
    refuse_unknown,
    sequence,
    text,
)
from lumigate.llm.providers.anthropic_answers import AnthropicReader, detail_of, read_message
from lumigate.llm.providers.anthropic_thinking import budget_of, think
from lumigate.llm.providers.openai import json_headers

VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096
"""The API demands a cap; this one stands where the caller set none."""
_TOOL_CHOICE = {"auto": "auto", "required": "any", "none": "none"}
_KNOWN = frozenset(
    {
        *(
            "model",
            "messages",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "top_k",
            "stop",
        ),
        *(
            "stream",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "reasoning_effort",
            "thinking",
        ),
        "service_tier",
    }
)


class AnthropicProvider:
    """The `Provider` protocol; without state."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
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
        return self.call(access, request, stream=chat.stream)

    def call(self, access: ProviderAccess, body: Mapping[str, Any], *, stream: bool, betas: str = "") -> Call:
        headers = json_headers(access, stream=stream) | {"anthropic-version": VERSION}
        if access.api_key is not None:
            headers["x-api-key"] = access.api_key.get_secret_value()
        if betas:
            headers["anthropic-beta"] = betas
        return Call(url=f"{access.base_url}/v1/messages", headers=headers, body=encode(body))

    def beyond_the_cap(self, route: ModelRoute, body: Mapping[str, Any]) -> int:
        return budget_of(route.model, body)

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        document = read_message(body, answer)
        texts: list[str] = []
        thoughts: list[str] = []
        details: list[Mapping[str, Any]] = []
        calls: list[Mapping[str, Any]] = []
        for block in map(mapping, document["content"]):
            match block.get("type"):
                case "text":
                    texts.append(text(block.get("text")))
                case "thinking" | "redacted_thinking":
                    thoughts.append(text(block.get("thinking")))
                    details.append(detail_of(block))
                case "tool_use":
                    arguments = json.dumps(block.get("input") or {}, separators=(",", ":"))
                    calls.append(tool_call(text(block.get("id")), text(block.get("name")), arguments))
        message = message_of("".join(texts), reasoning="".join(thoughts), details=details, tool_calls=calls)
        finish = answer.finish_reasons[0] if answer.finish_reasons else "stop"
        return write_completion(answer, [{"message": message, "finish_reason": finish}])

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        return AnthropicReader(answer, strip_usage=strip_usage)

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        error = mapping(mapping(strict_json.load_object(body)).get("error"))
        return text(error.get("message"))[:MAX_MESSAGE_CHARS] or "no reason given", None

    def build_embeddings_call(
        self, access: ProviderAccess, route: ModelRoute, body: Mapping[str, Any]
    ) -> Call:
        raise UnsupportedByProvider(access.name, "embeddings", param="model")

    def read_embeddings(self, body: bytes, answer: Answer, *, base64: bool) -> bytes:
        raise BadAnswer("there are no embeddings here")


# --- the request ------------------------------------------------------------------------------------------------------


def _messages(
    access: ProviderAccess, messages: list[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The system prompt, and the rest as turns: neighbours of one role become one message."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        where, role = f"messages.{index}", message["role"]
        if role in INSTRUCTIONS:
            system += [
                _block(access, part, f"{where}.content.{i}")
                for i, part in enumerate(parts_of(message, where))
            ]
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
    for index, part in enumerate(parts_of(message, where)):
        if part["type"] == "text" and not part["text"]:
            continue  # empty text blocks are an error there
        blocks.append(_block(access, part, f"{where}.content.{index}"))
    for index, call in enumerate(tool_calls_of(message, where)):
        arguments = arguments_of(call, f"{where}.tool_calls.{index}")
        name = call["function"]["name"]
        blocks.append({"type": "tool_use", "id": call["id"], "name": name, "input": arguments})
    return blocks


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
        content = [
            _block(access, part, f"{where}.content.{i}") for i, part in enumerate(parts_of(message, where))
        ]
    return [{"type": "tool_result", "tool_use_id": identity, "content": content}]


def _tools(access: ProviderAccess, body: Mapping[str, Any]) -> dict[str, Any]:
    tools = []
    for _, function in functions_of(body):
        tool = {"name": function["name"], "input_schema": function.get("parameters") or {"type": "object"}}
        more = {name: function[name] for name in ("description", "strict") if function.get(name) is not None}
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
