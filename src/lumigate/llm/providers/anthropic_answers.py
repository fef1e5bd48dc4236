"""What Anthropic's Messages API answers: a `message`, or a stream of events, as the canonical form.

Shapes: https://docs.claude.com/en/api/messages, …/api/messages-streaming, …/docs/build-with-claude/extended-thinking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.http.sse import split_events
from lumigate.llm.canonical import DONE_EVENT, ChunkWriter, tool_call
from lumigate.llm.provider import MAX_MESSAGE_CHARS, Answer, BadAnswer, count, event_document, mapping, text

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def detail_of(block: Mapping[str, Any]) -> dict[str, Any]:
    """A thinking block in the form that a later request hands back (OpenRouter's names)."""
    if block.get("type") == "redacted_thinking":
        return {"type": "reasoning.encrypted", "data": text(block.get("data"))}
    return {
        "type": "reasoning.text",
        "text": text(block.get("thinking")),
        "signature": text(block.get("signature")),
    }


def read_message(body: bytes, answer: Answer) -> dict[str, Any]:
    """A `message` object, with `answer` filled in. Raises `BadAnswer`."""
    document = strict_json.load_object(body)
    if document is None:
        raise BadAnswer("it is not a JSON object")
    if not isinstance(document.get("content"), list):
        raise BadAnswer("it has no content")
    learn_message(document, answer)
    return document


def finish_of(stop_reason: str) -> str:
    return _FINISH.get(stop_reason, "stop")


def learn_message(message: Mapping[str, Any], answer: Answer) -> None:
    answer.id = text(message.get("id")) or answer.id
    answer.model = text(message.get("model")) or answer.model
    if isinstance(reason := message.get("stop_reason"), str):
        answer.finish_reasons = (finish_of(reason),)
    learn_usage(mapping(message.get("usage")), answer)


def learn_usage(usage: Mapping[str, Any], answer: Answer) -> None:
    """Counts there are; `input_tokens` leaves out what the prompt cache took, ours does not."""
    read, write = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    answer.cache_read_tokens = answer.cache_read_tokens if read is None else read
    answer.cache_write_tokens = answer.cache_write_tokens if write is None else write
    if (fresh := count(usage.get("input_tokens"))) is not None:
        answer.input_tokens = fresh + answer.cache_read_tokens + answer.cache_write_tokens
    if (output := count(usage.get("output_tokens"))) is not None:
        answer.output_tokens = output
    thought = count(mapping(usage.get("output_tokens_details")).get("thinking_tokens"))
    answer.reasoning_tokens = answer.reasoning_tokens if thought is None else thought
    answer.service_tier = text(usage.get("service_tier")) or answer.service_tier


class AnthropicReader:
    """Their events as canonical ones."""

    __slots__ = ("_answer", "_blocks", "_calls", "_silent", "_strip_usage", "_thoughts", "_write")

    def __init__(self, answer: Answer, *, strip_usage: bool) -> None:
        self._answer = answer
        self._strip_usage = strip_usage
        self._write = ChunkWriter(answer)
        self._calls = 0
        self._blocks: dict[int, int] = {}
        """The number of the tool call that a content block holds."""
        self._silent: set[int] = set()
        """Blocks of tool calls that have not said anything of their arguments."""
        self._thoughts: dict[int, str] = {}
        """What a content block has thought so far: its signature comes last, and holds for all of it."""

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        passed: list[bytes] = []
        for raw in split_events(block):
            event = event_document(raw)
            if event is None:
                continue
            if event.get("type") == "message_stop":
                passed.append(self.end())
                return b"".join(passed), True
            passed.append(self._translate(event))
        return b"".join(passed), False

    def end(self) -> bytes:
        return (b"" if self._strip_usage else self._write.usage()) + DONE_EVENT

    def _translate(self, event: Mapping[str, Any]) -> bytes:
        answer, write = self._answer, self._write
        match event.get("type"):
            case "content_block_delta":
                return self._delta(count(event.get("index")) or 0, mapping(event.get("delta")))
            case "content_block_start":
                return self._start(count(event.get("index")) or 0, mapping(event.get("content_block")))
            case "content_block_stop":
                return self._stop(count(event.get("index")) or 0)
            case "message_start":
                learn_message(mapping(event.get("message")), answer)
                return write.delta({"role": "assistant", "content": ""})
            case "message_delta":
                learn_usage(mapping(event.get("usage")), answer)
                reason = mapping(event.get("delta")).get("stop_reason")
                if not isinstance(reason, str):
                    return b""
                answer.finish_reasons = (finish_of(reason),)
                return write.delta({}, answer.finish_reasons[0])
            case "error":
                answer.failed = True
                message = text(mapping(event.get("error")).get("message"))[:MAX_MESSAGE_CHARS]
                return write.error(message or "no reason given")
        return b""

    def _start(self, index: int, block: Mapping[str, Any]) -> bytes:
        match block.get("type"):
            case "tool_use":
                number = self._blocks[index] = self._calls
                self._calls += 1
                self._silent.add(index)
                call = tool_call(text(block.get("id")), text(block.get("name")), "")
                return self._write.delta({"tool_calls": [{"index": number, **call}]})
            case "redacted_thinking":
                return self._write.delta({"reasoning_details": [detail_of(block)]})
        return self._write.text(block["text"]) if text(block.get("text")) else b""

    def _stop(self, index: int) -> bytes:
        """A call without arguments has an empty object of them; their stream does not say so."""
        if index not in self._silent:
            return b""
        self._silent.discard(index)
        call = {"index": self._blocks[index], "function": {"arguments": "{}"}}
        return self._write.delta({"tool_calls": [call]})

    def _delta(self, index: int, delta: Mapping[str, Any]) -> bytes:
        match delta.get("type"):
            case "text_delta":
                return self._write.text(text(delta.get("text")))
            case "input_json_delta":
                if arguments := text(delta.get("partial_json")):
                    self._silent.discard(index)
                function = {"arguments": arguments}
                call = {"index": self._blocks.get(index, 0), "function": function}
                return self._write.delta({"tool_calls": [call]})
            case "thinking_delta":
                thinking = text(delta.get("thinking"))
                self._thoughts[index] = self._thoughts.get(index, "") + thinking
                return self._write.delta({"reasoning_content": thinking})
            case "signature_delta":
                thinking = self._thoughts.pop(index, "")
                detail = detail_of({"thinking": thinking, "signature": delta.get("signature")})
                return self._write.delta({"reasoning_details": [detail]})
        return b""
