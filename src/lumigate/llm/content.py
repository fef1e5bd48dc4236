"""What was asked and answered, for the spans of deployments that want it: off unless a setting says otherwise.

Shape: the GenAI conventions' `gen_ai.input.messages` and `gen_ai.output.messages`, JSON in text
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/). Personal data is masked; pictures and the like are
told by their kind only. The oldest messages give way where all would be too long to stay whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lumigate import strict_json
from lumigate.http.sse import event_data, split_events
from lumigate.llm.provider import mapping, sequence, text
from lumigate.privacy.mask import mask

MAX_CHARS = 4000
"""Below the usual limit of an attribute's value, so that the JSON is not cut."""
MAX_TEXT_CHARS = 1500


def input_messages(body: Mapping[str, Any]) -> str:
    """The messages of a canonical request, newest kept."""
    told: list[str] = []
    room = MAX_CHARS
    for message in reversed(sequence(body.get("messages"))):
        written = _write(_message(mapping(message)))
        room -= len(written) + 1
        if room < 0:
            break
        told.append(written)
    return "[" + ",".join(reversed(told)) + "]"


def output_message(answer: bytes) -> str:
    """The answer, from the bytes that were received: a document or events, canonical or Anthropic's."""
    document = strict_json.load_object(answer)
    words = list(_words_of(document) if document is not None else _words_of_events(answer))
    said = _part("".join(words))
    return _write([{"role": "assistant", "parts": [said] if words else []}])


def _words_of(document: Mapping[str, Any]) -> Iterator[str]:
    for choice in map(mapping, sequence(document.get("choices"))):
        for member in ("message", "delta"):
            yield text(mapping(choice.get(member)).get("content"))
    for block in map(mapping, sequence(document.get("content"))):
        yield text(block.get("text"))
    yield text(mapping(document.get("delta")).get("text"))


def _words_of_events(events: bytes) -> Iterator[str]:
    for raw in split_events(events):
        document = strict_json.load_object(event_data(raw))
        if document is not None:
            yield from _words_of(document)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = [_part(content)] if isinstance(content, str) else []
    for part in map(mapping, sequence(content)):
        kind = text(part.get("type"))
        parts.append(_part(text(part.get("text"))) if kind == "text" else {"type": kind})
    for call in map(mapping, sequence(message.get("tool_calls"))):
        function = mapping(call.get("function"))
        arguments = mask(text(function.get("arguments"))[:MAX_TEXT_CHARS])
        parts.append(
            {
                "type": "tool_call",
                "id": text(call.get("id")),
                "name": text(function.get("name")),
                "arguments": arguments,
            }
        )
    return {"role": text(message.get("role")), "parts": parts}


def _part(words: str) -> dict[str, Any]:
    return {"type": "text", "content": mask(words)[:MAX_TEXT_CHARS]}


def _write(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
