"""Writing the canonical form: OpenAI's `chat.completion` and its stream of `chat.completion.chunk` events.

Shapes: https://platform.openai.com/docs/api-reference/chat/object and …/chat/streaming.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lumigate.llm.provider import Answer

DONE_EVENT = b"data: [DONE]\n\n"
_ENCODER = json.JSONEncoder(separators=(",", ":"))
"""`json.dumps` with arguments makes one anew for each text."""


def encode(value: Any) -> bytes:
    """Compact JSON; ASCII escapes carry lone surrogates, which UTF-8 cannot."""
    return _ENCODER.encode(value).encode("ascii")


def usage_of(answer: Answer) -> dict[str, Any]:
    """OpenAI's usage object; what was written to a prompt cache stands beside what was read from it."""
    prompt, completion = answer.input_tokens or 0, answer.output_tokens or 0
    cached: dict[str, int] = {"cached_tokens": answer.cache_read_tokens}
    if answer.cache_write_tokens:
        cached["cache_write_tokens"] = answer.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": cached,
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }


def write_completion(answer: Answer, choices: Sequence[Mapping[str, Any]]) -> bytes:
    """A whole answer. Each choice has `message`, `finish_reason` and perhaps `logprobs`."""
    document: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [{"index": index, "logprobs": None, **choice} for index, choice in enumerate(choices)],
    }
    if answer.input_tokens is not None or answer.output_tokens is not None:
        document["usage"] = usage_of(answer)
    return encode(document)


def message_of(
    text: str | None,
    *,
    reasoning: str = "",
    details: Sequence[Mapping[str, Any]] = (),
    tool_calls: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """An assistant's message; absent parts are left out."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if tool_calls else ""),
        "refusal": None,
    }
    if reasoning:
        message["reasoning_content"] = reasoning
    if details:
        message["reasoning_details"] = list(details)
    if tool_calls:
        message["tool_calls"] = list(tool_calls)
    return message


def tool_call(identity: str, name: str, arguments: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


class ChunkWriter:
    """The events of one stream. The envelope is encoded once, since most events differ in a few words only."""

    __slots__ = ("_answer", "_head")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._head = b""

    def _envelope(self) -> bytes:
        if not self._head:
            answer = self._answer
            identity = {
                "id": answer.id,
                "object": "chat.completion.chunk",
                "created": answer.created,
                "model": answer.model,
            }
            self._head = b"data: " + encode(identity)[:-1] + b',"choices":'
        return self._head

    def delta(
        self,
        delta: Mapping[str, Any],
        finish_reason: str | None = None,
        *,
        index: int = 0,
        logprobs: Any = None,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return self._envelope() + b"[" + encode(choice) + b"]}\n\n"

    def text(self, text: str, *, index: int = 0) -> bytes:
        """The event that most of a stream consists of."""
        return b'%b[{"index":%d,"delta":{"content":%b},"logprobs":null,"finish_reason":null}]}\n\n' % (
            self._envelope(),
            index,
            json.dumps(text).encode("ascii"),
        )

    def usage(self) -> bytes:
        return self._envelope() + b'[],"usage":' + encode(usage_of(self._answer)) + b"}\n\n"

    def error(self, message: str, kind: str = "upstream_error") -> bytes:
        error = {"message": message, "type": kind, "param": None, "code": "upstream_failed"}
        return b"data: " + encode({"error": error}) + b"\n\n"
