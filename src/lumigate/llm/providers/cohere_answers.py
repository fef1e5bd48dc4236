"""What Cohere's v2 chat answers, whole or streamed, as the canonical form.

Shapes: https://docs.cohere.com/reference/chat, https://docs.cohere.com/v2/docs/streaming. `usage.tokens` is what the
model saw; `usage.billed_units`, which leaves out the provider's own preamble, is what is paid for, and what we count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lumigate.http.sse import split_events
from lumigate.llm.canonical import DONE_EVENT, ChunkWriter, tool_call
from lumigate.llm.provider import MAX_MESSAGE_CHARS, Answer, event_document, mapping, sequence, text

_FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}
_FAILED = frozenset({"ERROR", "TIMEOUT"})


def learn_end(document: Mapping[str, Any], answer: Answer) -> None:
    """The finish reason and the usage of an answer, or of a stream's last event."""
    reason = document.get("finish_reason")
    if isinstance(reason, str):
        answer.failed = reason in _FAILED
        answer.finish_reasons = (_FINISH.get(reason, "stop"),)
    usage = mapping(document.get("usage"))
    billed, seen = mapping(usage.get("billed_units")), mapping(usage.get("tokens"))
    for source in (seen, billed):
        answer.input_tokens = _whole(source.get("input_tokens"), answer.input_tokens)
        answer.output_tokens = _whole(source.get("output_tokens"), answer.output_tokens)
    answer.cache_read_tokens = _whole(usage.get("cached_tokens"), 0) or 0


def _whole(value: Any, otherwise: int | None) -> int | None:
    """Counts are sent as floats there."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
        return int(value)
    return otherwise


def logprobs_of(entries: Sequence[Any]) -> dict[str, Any] | None:
    """Their runs of tokens, each told as one text with a number a token, as OpenAI's list."""
    content = []
    for entry in map(mapping, entries):
        token = text(entry.get("text"))
        for value in sequence(entry.get("logprobs")):
            if isinstance(value, int | float):
                bytes_ = list(token.encode("utf-8", "replace"))
                content.append({"token": token, "logprob": value, "bytes": bytes_, "top_logprobs": []})
                token = ""  # the text of a run stands with its first token
    return {"content": content, "refusal": None} if content else None


class CohereReader:
    """Their events as canonical ones."""

    __slots__ = ("_answer", "_silent", "_strip_usage", "_write")

    def __init__(self, answer: Answer, *, strip_usage: bool) -> None:
        self._answer = answer
        self._strip_usage = strip_usage
        self._write = ChunkWriter(answer)
        self._silent = False
        """Whether the tool call that is open has not said anything of its arguments."""

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        passed: list[bytes] = []
        for raw in split_events(block):
            event = event_document(raw)
            if event is None:
                continue
            passed.append(self._translate(event))
            if event.get("type") == "message-end":
                if not self._answer.failed:
                    passed.append(self.end())
                return b"".join(passed), True
        return b"".join(passed), False

    def end(self) -> bytes:
        return (b"" if self._strip_usage else self._write.usage()) + DONE_EVENT

    def _translate(self, event: Mapping[str, Any]) -> bytes:
        answer, write = self._answer, self._write
        delta = mapping(event.get("delta"))
        message = mapping(delta.get("message"))
        match event.get("type"):
            case "content-delta":
                content = mapping(message.get("content"))
                if thinking := text(content.get("thinking")):
                    return write.delta({"reasoning_content": thinking})
                logprobs = (
                    logprobs_of([event["logprobs"]]) if isinstance(event.get("logprobs"), dict) else None
                )
                words = text(content.get("text"))
                return write.delta({"content": words}, logprobs=logprobs) if logprobs else write.text(words)
            case "tool-plan-delta":
                return write.delta({"reasoning_content": text(message.get("tool_plan"))})
            case "tool-call-start" | "tool-call-delta" | "tool-call-end" as kind:
                return self._tool_call(event.get("index"), mapping(message.get("tool_calls")), str(kind))
            case "message-start":
                answer.id = text(event.get("id"))
                return write.delta({"role": "assistant", "content": ""})
            case "message-end":
                learn_end(delta, answer)
                if answer.failed:
                    return write.error(text(delta.get("error"))[:MAX_MESSAGE_CHARS] or "no reason given")
                return write.delta({}, answer.finish_reasons[0] if answer.finish_reasons else "stop")
        return b""

    def _tool_call(self, index: Any, call: Mapping[str, Any], kind: str) -> bytes:
        number = index if isinstance(index, int) else 0
        function = mapping(call.get("function"))
        arguments = text(function.get("arguments"))
        if kind == "tool-call-end":
            if not self._silent:
                return b""
            arguments = "{}"  # as every other provider says it
        self._silent = not arguments and (self._silent or kind == "tool-call-start")
        if kind != "tool-call-start":
            return self._write.delta(
                {"tool_calls": [{"index": number, "function": {"arguments": arguments}}]}
            )
        begun = tool_call(text(call.get("id")), text(function.get("name")), arguments)
        return self._write.delta({"tool_calls": [{"index": number, **begun}]})
