"""Canonical events as Anthropic's: blocks that open, grow and close, one after another.

Shape: https://docs.claude.com/en/api/messages-streaming. The counts of a prompt come last in canonical form and first
in theirs, so `message_start` has none and `message_delta` has them all, which their clients take as the final word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lumigate.errors import LumigateError
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import encode
from lumigate.llm.provider import BadAnswer, count, event_document, mapping, sequence, text

NO_PICTURES = "it holds a picture, which Anthropic's messages cannot say"
_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def stop_reason_of(finish_reason: str) -> str:
    return _STOP.get(finish_reason, "end_turn")


def usage_of(usage: Mapping[str, Any]) -> dict[str, int]:
    """OpenAI's counts as theirs, which leave what the prompt cache took out of `input_tokens`."""
    details = mapping(usage.get("prompt_tokens_details"))
    read, written = count(details.get("cached_tokens")) or 0, count(details.get("cache_write_tokens")) or 0
    return {
        "input_tokens": max(0, (count(usage.get("prompt_tokens")) or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": count(usage.get("completion_tokens")) or 0,
    }


def event_bytes(document: Mapping[str, Any]) -> bytes:
    return b"event: " + text(document["type"]).encode("ascii") + b"\ndata: " + encode(document) + b"\n\n"


class AnthropicOutlet:
    """Writes one stream. `error_document` says how an error looks."""

    __slots__ = ("_blocks", "_calls", "_error_document", "_finish", "_open", "_started", "_usage")

    def __init__(self, error_document: Callable[[LumigateError, str], dict[str, Any]]) -> None:
        self._error_document = error_document
        self._started = False
        self._blocks = 0
        self._open = ""
        """The kind of the block that is open now: `text`, `thinking`, or `tool_use` with its number."""
        self._calls: dict[int, int] = {}
        """Which block holds which tool call."""
        self._finish = ""
        self._usage: Mapping[str, Any] = {}

    def pass_on(self, events: bytes) -> bytes:
        passed: list[bytes] = []
        for raw in split_events(events):
            if event_data(raw).strip() == b"[DONE]":
                passed += self._end()
            elif (document := event_document(raw)) is not None:
                passed += self._translate(document)
        return b"".join(passed)

    def error(self, error: LumigateError, trace_id: str) -> bytes:
        return event_bytes(self._error_document(error, trace_id))

    def _translate(self, document: Mapping[str, Any]) -> list[bytes]:
        if document.get("error") is not None:
            message = text(mapping(document["error"]).get("message")) or "no reason given"
            return [event_bytes({"type": "error", "error": {"type": "api_error", "message": message}})]
        passed = self._begin(document)
        if isinstance(document.get("usage"), dict):
            self._usage = document["usage"]
        for choice in map(mapping, sequence(document.get("choices"))):
            delta = mapping(choice.get("delta"))
            if delta.get("images"):
                raise BadAnswer(NO_PICTURES)
            if thoughts := text(delta.get("reasoning_content")) or text(delta.get("reasoning")):
                passed += self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
                passed.append(self._grow({"type": "thinking_delta", "thinking": thoughts}))
            if words := text(delta.get("content")) or text(delta.get("refusal")):
                passed += self._block("text", {"type": "text", "text": ""})
                passed.append(self._grow({"type": "text_delta", "text": words}))
            for call in map(mapping, sequence(delta.get("tool_calls"))):
                passed += self._tool_call(call)
            self._finish = text(choice.get("finish_reason")) or self._finish
        return passed

    def _begin(self, document: Mapping[str, Any]) -> list[bytes]:
        if self._started:
            return []
        self._started = True
        message: dict[str, Any] = {
            "id": text(document.get("id")),
            "type": "message",
            "role": "assistant",
            "model": text(document.get("model")),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_of({}),
        }
        return [event_bytes({"type": "message_start", "message": message})]

    def _tool_call(self, call: Mapping[str, Any]) -> list[bytes]:
        number, function = count(call.get("index")) or 0, mapping(call.get("function"))
        passed: list[bytes] = []
        if number not in self._calls:
            block = {
                "type": "tool_use",
                "id": text(call.get("id")),
                "name": text(function.get("name")),
                "input": {},
            }
            passed += self._block(f"tool_use {number}", block)
            self._calls[number] = self._blocks - 1
        if arguments := text(function.get("arguments")):
            delta = {"type": "input_json_delta", "partial_json": arguments}
            passed.append(self._grow(delta, self._calls[number]))
        return passed

    def _block(self, kind: str, block: Mapping[str, Any]) -> list[bytes]:
        """Make a block of that kind the open one."""
        if self._open == kind:
            return []
        passed = self._close()
        self._open = kind
        passed.append(
            event_bytes({"type": "content_block_start", "index": self._blocks, "content_block": block})
        )
        self._blocks += 1
        return passed

    def _grow(self, delta: Mapping[str, Any], block: int | None = None) -> bytes:
        index = self._blocks - 1 if block is None else block
        return event_bytes({"type": "content_block_delta", "index": index, "delta": delta})

    def _close(self) -> list[bytes]:
        if not self._open:
            return []
        self._open = ""
        return [event_bytes({"type": "content_block_stop", "index": self._blocks - 1})]

    def _end(self) -> list[bytes]:
        delta = {"stop_reason": stop_reason_of(self._finish), "stop_sequence": None}
        ending = {"type": "message_delta", "delta": delta, "usage": usage_of(self._usage)}
        return [*self._begin({}), *self._close(), event_bytes(ending), event_bytes({"type": "message_stop"})]
