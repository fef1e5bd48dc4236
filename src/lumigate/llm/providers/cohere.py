"""Cohere's v2 chat and embed.

Shapes: https://docs.cohere.com/reference/chat, …/reference/chat-stream, …/v2/docs/streaming,
…/docs/tool-use-streaming, …/docs/reasoning, …/reference/embed. Messages are nearly OpenAI's; a tool's plan is what the
model thought, and so `reasoning_content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.canonical import encode, message_of, tool_call, write_completion
from lumigate.llm.chat import ChatRequest
from lumigate.llm.parts import (
    arguments_of,
    functions_of,
    image_of,
    parts_of,
    schema_of,
    stops_of,
    text_of,
    tool_calls_of,
)
from lumigate.llm.provider import (
    MAX_MESSAGE_CHARS,
    USUAL,
    Answer,
    BadAnswer,
    Call,
    EventReader,
    mapping,
    refuse_unknown,
    sequence,
    text,
)
from lumigate.llm.providers.cohere_answers import CohereReader, learn_end, logprobs_of
from lumigate.llm.providers.openai import bearer, json_headers
from lumigate.llm.vectors import embeddings_document, texts_of

_THINKING_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384}
_KNOWN = USUAL | {"top_k", "seed", "presence_penalty", "frequency_penalty", "logprobs"}
_MAX_STOPS = 5


class CohereProvider:
    """The `Provider` protocol; without state."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        body = chat.body
        refuse_unknown(access, body, _KNOWN)
        stops = stops_of(body)
        if len(stops) > _MAX_STOPS:
            raise UnsupportedByProvider(access.name, f"more than {_MAX_STOPS} stop sequences", param="stop")
        if chat.temperature is not None and chat.temperature > 1:
            raise UnsupportedByProvider(access.name, "a temperature above 1", param="temperature")
        for name in ("presence_penalty", "frequency_penalty"):
            value = body.get(name)
            if isinstance(value, int | float) and not 0 <= value <= 1:
                raise UnsupportedByProvider(access.name, f"a {name} outside 0 to 1", param=name)
        request = {
            "model": route.model,
            "messages": [
                _message(access, message, f"messages.{index}")
                for index, message in enumerate(body["messages"])
            ],
            "stream": chat.stream,
        }
        optional = {
            "max_tokens": chat.max_tokens,
            "temperature": chat.temperature,
            "p": chat.top_p,
            "k": body.get("top_k"),
            "stop_sequences": stops or None,
            "seed": body.get("seed"),
            "presence_penalty": body.get("presence_penalty"),
            "frequency_penalty": body.get("frequency_penalty"),
            "logprobs": body.get("logprobs") or None,
            "response_format": _response_format(body),
            "thinking": _thinking(body.get("reasoning_effort")),
        }
        request |= {name: value for name, value in optional.items() if value is not None}
        request |= _tools(access, body)
        return Call(
            url=f"{access.base_url}/v2/chat",
            headers=json_headers(access, stream=chat.stream) | bearer(access),
            body=encode(request),
        )

    def beyond_the_cap(self, route: ModelRoute, body: Mapping[str, Any]) -> int:
        del route, body
        return 0

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        document = strict_json.load_object(body)
        message = mapping(document).get("message")
        if document is None or not isinstance(message, dict):
            raise BadAnswer("it has no message")
        answer.id = text(document.get("id"))
        learn_end(document, answer)
        texts: list[str] = []
        thoughts = [text(message.get("tool_plan"))]
        for block in map(mapping, sequence(message.get("content"))):
            if block.get("type") == "thinking":
                thoughts.append(text(block.get("thinking")))
            else:
                texts.append(text(block.get("text")))
        calls = []
        for call in map(mapping, sequence(message.get("tool_calls"))):
            function = mapping(call.get("function"))
            arguments = text(function.get("arguments")) or "{}"
            calls.append(tool_call(text(call.get("id")), text(function.get("name")), arguments))
        finish = answer.finish_reasons[0] if answer.finish_reasons else "stop"
        choice: dict[str, Any] = {
            "message": message_of("".join(texts), reasoning="".join(thoughts), tool_calls=calls),
            "finish_reason": finish,
        }
        if logprobs := logprobs_of(sequence(document.get("logprobs"))):
            choice["logprobs"] = logprobs
        return write_completion(answer, [choice])

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        return CohereReader(answer, strip_usage=strip_usage)

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        document = mapping(strict_json.load_object(body))
        return text(document.get("message"))[:MAX_MESSAGE_CHARS] or "no reason given", None

    def build_embeddings_call(
        self, access: ProviderAccess, route: ModelRoute, body: Mapping[str, Any]
    ) -> Call:
        known = frozenset({"model", "input", "dimensions", "encoding_format", "input_type"})
        refuse_unknown(access, body, known)
        request: dict[str, Any] = {
            "model": route.model,
            "texts": texts_of(access, body),
            # Demanded there, unknown to OpenAI's shape: callers who search with it say `search_query`.
            "input_type": body.get("input_type") or "search_document",
            "embedding_types": ["float"],
        }
        if body.get("dimensions") is not None:
            request["output_dimension"] = body["dimensions"]
        headers = json_headers(access) | bearer(access)
        return Call(url=f"{access.base_url}/v2/embed", headers=headers, body=encode(request))

    def read_embeddings(self, body: bytes, answer: Answer, *, base64: bool) -> bytes:
        document = mapping(strict_json.load_object(body))
        vectors = mapping(document.get("embeddings")).get("float")
        if not isinstance(vectors, list):
            raise BadAnswer("it has no embeddings")
        answer.id = text(document.get("id"))
        learn_end({"usage": document.get("meta")}, answer)
        return embeddings_document(vectors, answer, base64=base64)


def _message(access: ProviderAccess, message: Mapping[str, Any], where: str) -> dict[str, Any]:
    role = message["role"]
    if role == "function":
        raise UnsupportedByProvider(access.name, "messages of the role 'function'", param=f"{where}.role")
    if message.get("name") is not None and role != "tool":
        raise UnsupportedByProvider(access.name, "names of participants", param=f"{where}.name")
    if role in ("system", "developer"):
        return {"role": "system", "content": text_of(message, where)}
    if role == "tool":
        if not isinstance(message.get("tool_call_id"), str):
            raise InvalidRequest("must name the call that it answers", param=f"{where}.tool_call_id")
        return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": text_of(message, where)}
    if role == "assistant":
        said: dict[str, Any] = {"role": "assistant"}
        if words := text_of(message, where):
            said["content"] = words
        calls = []
        for index, call in enumerate(tool_calls_of(message, where)):
            arguments = encode(arguments_of(call, f"{where}.tool_calls.{index}")).decode("ascii")
            calls.append(tool_call(call["id"], call["function"]["name"], arguments))
        return said | ({"tool_calls": calls} if calls else {})
    parts: list[dict[str, Any]] = []
    for index, part in enumerate(parts_of(message, where)):
        place = f"{where}.content.{index}"
        if part["type"] in ("text", "refusal"):
            parts.append({"type": "text", "text": part[part["type"]]})
        elif part["type"] == "image_url":
            image = image_of(part, place)
            url = image.url or f"data:{image.media_type};base64,{image.data}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        else:
            kind = part["type"][:64]
            raise UnsupportedByProvider(access.name, f"content of the type '{kind}'", param=place)
    return {"role": "user", "content": parts}


def _response_format(body: Mapping[str, Any]) -> dict[str, Any] | None:
    kind, schema = schema_of(body)
    if kind == "text":
        return None
    return {"type": "json_object"} | ({"json_schema": schema} if schema is not None else {})


def _thinking(effort: Any) -> dict[str, Any] | None:
    if effort is None:
        return None
    if effort == "none":
        return {"type": "disabled"}
    budget = _THINKING_TOKENS.get(effort) if isinstance(effort, str) else None
    if budget is None:
        raise InvalidRequest(f"must be none, {', '.join(_THINKING_TOKENS)}", param="reasoning_effort")
    return {"type": "enabled", "token_budget": budget}


def _tools(access: ProviderAccess, body: Mapping[str, Any]) -> dict[str, Any]:
    functions = functions_of(body)
    if not functions:
        return {}
    tools = []
    for _, function in functions:
        described = {"name": function["name"], "parameters": function.get("parameters") or {"type": "object"}}
        if isinstance(function.get("description"), str):
            described["description"] = function["description"]
        tools.append({"type": "function", "function": described})
    request: dict[str, Any] = {"tools": tools}
    if any(function.get("strict") is True for _, function in functions):
        request["strict_tools"] = True
    choice = body.get("tool_choice")
    if choice in ("required", "none"):
        request["tool_choice"] = str(choice).upper()
    elif choice not in (None, "auto"):
        raise UnsupportedByProvider(access.name, "a tool_choice that names a function", param="tool_choice")
    return request
