"""Anthropic's words: POST /v1/messages and its event stream.

Shapes: https://docs.claude.com/en/api/messages, …/api/messages-streaming, …/api/errors. An answer of Anthropic itself
passes byte by byte; any other is written in its shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.errors import LumigateError
from lumigate.llm.canonical import encode
from lumigate.llm.chat import ChatRequest
from lumigate.llm.dialects import Outlet
from lumigate.llm.dialects.anthropic_events import (
    NO_PICTURES,
    AnthropicOutlet,
    event_bytes,
    stop_reason_of,
    usage_of,
)
from lumigate.llm.dialects.anthropic_requests import parse_messages_request
from lumigate.llm.provider import BadAnswer, mapping, sequence, text

VERSION_HEADER = "anthropic-version"
"""By which their clients are known where a route is not theirs alone."""
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class AnthropicDialect:
    """The `Dialect` protocol."""

    def parse(self, body: dict[str, Any], headers: Mapping[str, str]) -> ChatRequest:
        return parse_messages_request(body, headers.get("anthropic-beta", ""))

    def write_answer(self, body: bytes, *, native: bool) -> bytes:
        return body if native else _message(body)

    def outlet(self, *, native: bool) -> Outlet:
        return NativeOutlet() if native else AnthropicOutlet(error_document)

    def error_body(self, error: LumigateError, trace_id: str) -> dict[str, Any]:
        return error_document(error, trace_id)


def error_document(error: LumigateError, trace_id: str) -> dict[str, Any]:
    """Anthropic's error object, with our stable code and the trace id for whoever is asked about it."""
    kind = _ERROR_TYPES.get(error.status) or ("api_error" if error.status >= 500 else "invalid_request_error")
    described = {"type": kind, "message": error.message, "code": error.code, "param": error.param}
    return {"type": "error", "error": described, "trace_id": trace_id}


class NativeOutlet:
    """Their own events, as they came."""

    __slots__ = ()

    def pass_on(self, events: bytes) -> bytes:
        return events

    def error(self, error: LumigateError, trace_id: str) -> bytes:
        return event_bytes(error_document(error, trace_id))


def _message(body: bytes) -> bytes:
    """A `chat.completion` as a `message`. Raises `BadAnswer`."""
    document: dict[str, Any] = json.loads(body)  # written or read by us
    choice = mapping(next(iter(sequence(document.get("choices"))), None))
    message = mapping(choice.get("message"))
    if message.get("images"):
        raise BadAnswer(NO_PICTURES)
    content = [*_thoughts(message)]
    if words := text(message.get("content")) or text(message.get("refusal")):
        content.append({"type": "text", "text": words})
    for call in map(mapping, sequence(message.get("tool_calls"))):
        function = mapping(call.get("function"))
        arguments = text(function.get("arguments")) or "{}"
        given = strict_json.load_object(arguments.encode("utf-8", "replace"))
        if given is None:
            raise BadAnswer("the arguments of a tool call are no JSON object")
        name = text(function.get("name"))
        content.append({"type": "tool_use", "id": text(call.get("id")), "name": name, "input": given})
    return encode(
        {
            "id": text(document.get("id")),
            "type": "message",
            "role": "assistant",
            "model": text(document.get("model")),
            "content": content,
            "stop_reason": stop_reason_of(text(choice.get("finish_reason"))),
            "stop_sequence": None,
            "usage": usage_of(mapping(document.get("usage"))),
        }
    )


def _thoughts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    if thoughts := text(message.get("reasoning_content")) or text(message.get("reasoning")):
        return [{"type": "thinking", "thinking": thoughts, "signature": ""}]
    return []


ANTHROPIC_DIALECT = AnthropicDialect()
