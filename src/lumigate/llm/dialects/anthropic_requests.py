"""A request in Anthropic's words, read into canonical form.

Shape: https://docs.claude.com/en/api/messages. What it needs to be routed is checked for everyone; what canonical
form cannot say (a tool that runs at Anthropic, say) is no fault as long as Anthropic answers, and a 400 that names it
when another provider would have to. Two things mean nothing to other models and end here: marks for the prompt cache,
and the signed thoughts of earlier answers.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, StrictBool, StrictInt, StrictStr, ValidationError

from lumigate.errors import UnsupportedByProvider
from lumigate.llm.chat import ANTHROPIC, ChatRequest, Objects, Texts, TokenCap
from lumigate.llm.dialects.anthropic_options import object_of, only_anthropic, options, required
from lumigate.llm.invalid import invalid_request
from lumigate.llm.provider import mapping, sequence, text


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: Literal["user", "assistant"]
    content: StrictStr | Objects


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: Annotated[StrictStr, Field(min_length=1, max_length=256)]
    max_tokens: TokenCap
    messages: Annotated[list[_Message], Field(min_length=1), FailFast()]
    system: StrictStr | Objects | None = None
    stream: StrictBool | None = None
    temperature: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    top_k: Annotated[StrictInt, Field(ge=0)] | None = None
    stop_sequences: Texts | None = None
    tools: Objects | None = None
    tool_choice: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    service_tier: StrictStr | None = None


_TRANSLATED = frozenset(
    {
        *(
            "model",
            "max_tokens",
            "messages",
            "system",
            "stream",
            "temperature",
            "top_p",
            "top_k",
            "stop_sequences",
        ),
        *("tools", "tool_choice", "metadata", "thinking", "output_config", "service_tier"),
    }
)


def parse_messages_request(body: dict[str, Any], features: str) -> ChatRequest:
    """Raises `InvalidRequest` naming the first field that is wrong. `features` is the header `anthropic-beta`."""
    try:
        valid = _Body.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error) from None
    canonical: dict[str, Any] = {"messages": []}
    untranslatable = None
    try:
        canonical = _canonical(body)
    except UnsupportedByProvider as error:
        untranslatable = error
    return ChatRequest(
        model=valid.model,
        stream=bool(valid.stream),
        wants_usage=True,
        max_tokens=valid.max_tokens,
        temperature=valid.temperature,
        top_p=valid.top_p,
        body=canonical,
        dialect=ANTHROPIC,
        native=body,
        native_features=features[:256],
        untranslatable=untranslatable,
    )


def _canonical(body: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in body.items():
        if name not in _TRANSLATED and value is not None:
            raise only_anthropic(f"the parameter '{name[:64]}'", name[:64])
    messages: list[dict[str, Any]] = []
    if body.get("system"):
        messages.append({"role": "system", "content": _text(body["system"], "system")})
    for index, message in enumerate(body["messages"]):
        messages += _turn(message, f"messages.{index}")
    canonical: dict[str, Any] = {
        "model": body["model"],
        "messages": messages,
        "max_tokens": body["max_tokens"],
    }
    for theirs, ours in (("temperature",) * 2, ("top_p",) * 2, ("top_k",) * 2, ("stop_sequences", "stop")):
        if body.get(theirs) is not None:
            canonical[ours] = body[theirs]
    if body.get("stream"):
        canonical["stream"] = True
    if isinstance(user := mapping(body.get("metadata")).get("user_id"), str):
        canonical["user"] = user
    return canonical | options(body)


def _text(content: Any, where: str) -> str:
    """Text, or text blocks; nothing else can stand there in canonical form."""
    if isinstance(content, str):
        return content
    texts = []
    for index, block in enumerate(sequence(content)):
        if mapping(block).get("type") != "text":
            raise only_anthropic("this kind of content in this place", f"{where}.{index}")
        texts.append(required(block, "text", f"{where}.{index}"))
    return "".join(texts)


def _turn(message: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """One message as one or more: each result of a tool is a message of its own, and comes first."""
    if isinstance(message["content"], str):
        return [{"role": message["role"], "content": message["content"]}]
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for index, block in enumerate(message["content"]):
        place = f"{where}.content.{index}"
        match block.get("type"):
            case "text":
                parts.append({"type": "text", "text": required(block, "text", place)})
            case "image":
                parts.append({"type": "image_url", "image_url": {"url": _source_url(block, place)}})
            case "document":
                parts.append(_document(block, place))
            case "tool_use":
                arguments = json.dumps(object_of(block, "input", place), separators=(",", ":"))
                function = {"name": required(block, "name", place), "arguments": arguments}
                identity = required(block, "id", place)
                calls.append({"id": identity, "type": "function", "function": function})
            case "tool_result":
                said = _text(block.get("content") or "", f"{place}.content")
                results.append(
                    {
                        "role": "tool",
                        "tool_call_id": required(block, "tool_use_id", place),
                        "content": f"Error: {said}" if block.get("is_error") is True else said,
                    }
                )
            case "thinking" | "redacted_thinking":
                pass
            case kind:
                raise only_anthropic(f"content of the type '{str(kind)[:64]}'", place)
    if message["role"] == "assistant":
        return _answer(parts, calls, results, where)
    if calls:
        raise only_anthropic("a call of a tool that is the user's", f"{where}.content")
    return [*results, *([{"role": "user", "content": parts}] if parts else [])]


def _answer(
    parts: list[dict[str, Any]], calls: list[dict[str, Any]], results: list[dict[str, Any]], where: str
) -> list[dict[str, Any]]:
    """An assistant's message; none where it only thought."""
    if results or any(part["type"] != "text" for part in parts):
        raise only_anthropic("anything but text and calls of tools in an answer", f"{where}.content")
    said = "".join(part["text"] for part in parts)
    turn: dict[str, Any] = {"role": "assistant", "content": said or None}
    return [turn | ({"tool_calls": calls} if calls else {})] if said or calls else []


def _source_url(block: Mapping[str, Any], where: str) -> str:
    source = mapping(block.get("source"))
    match source.get("type"):
        case "url":
            return required(source, "url", f"{where}.source")
        case "base64":
            media_type = required(source, "media_type", f"{where}.source")
            return f"data:{media_type};base64,{required(source, 'data', f'{where}.source')}"
    raise only_anthropic("this kind of source", f"{where}.source")


def _document(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    source = mapping(block.get("source"))
    if mapping(block.get("citations")).get("enabled") is True:
        raise only_anthropic("citations", f"{where}.citations")
    if block.get("context") is not None:
        raise only_anthropic("the context of a document", f"{where}.context")
    if source.get("type") == "text":
        title = f"{name}\n\n" if (name := text(block.get("title"))) else ""
        return {"type": "text", "text": title + required(source, "data", f"{where}.source")}
    if source.get("type") != "base64":
        raise only_anthropic("a document that is not sent as data", f"{where}.source")
    name = text(block.get("title")) or "document"
    return {"type": "file", "file": {"file_data": _source_url(block, where), "filename": name}}
