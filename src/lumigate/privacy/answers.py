"""Values put back into answers in OpenAI's shape: whole ones, and streams of chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.privacy.chat_texts import map_answer_texts
from lumigate.privacy.stream import StreamRestorer
from lumigate.privacy.tokens import TokenTable

_THOUGHTS = ("reasoning_content", "reasoning")
_TEXTS = ("content", "refusal", *_THOUGHTS)


def restore_answer(answer: Mapping[str, Any], tokens: TokenTable) -> Mapping[str, Any]:
    """A `chat.completion` with the values in place of their tokens; the same object if there is nothing to do."""
    return map_answer_texts(answer, plain=tokens.restore, arguments=tokens.restore_json)


class ChunkRestorer:
    """Restores one stream of `chat.completion.chunk` objects, each choice and each tool call for itself.

    What is held back of a choice goes out with the chunk that carries its `finish_reason`.
    """

    __slots__ = ("_streams", "_tokens")

    def __init__(self, tokens: TokenTable) -> None:
        self._tokens = tokens
        self._streams: dict[int, dict[str | int, StreamRestorer]] = {}

    def feed(self, chunk: Mapping[str, Any]) -> Mapping[str, Any]:
        """The chunk as it may go on to the caller. A chunk of an unexpected shape is passed on as it is."""
        choices = chunk.get("choices")
        if not len(self._tokens) or not isinstance(choices, list):
            return chunk
        return {**chunk, "choices": [self._choice(choice) for choice in choices]}

    def _choice(self, choice: Any) -> Any:
        if not isinstance(choice, Mapping):
            return choice
        delta = choice.get("delta")
        index = choice.get("index", 0)
        if not isinstance(index, int):
            return choice
        changed = self._delta(index, delta) if isinstance(delta, Mapping) else {}
        if choice.get("finish_reason") is not None:
            self._end(index, changed)
        return {**choice, "delta": changed} if changed or isinstance(delta, Mapping) else choice

    def _delta(self, index: int, delta: Mapping[str, Any]) -> dict[str, Any]:
        changed = dict(delta)
        for name in _TEXTS:
            if isinstance(delta.get(name), str):
                changed[name] = self._stream(index, name).feed(delta[name])
        if delta.get("content") or delta.get("tool_calls"):  # it has thought: the rest of that comes before
            self._end_thoughts(index, changed)
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            changed["tool_calls"] = [self._call(index, call) for call in calls]
        return changed

    def _call(self, index: int, call: Any) -> Any:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
            return call
        number = call.get("index", 0)
        if not isinstance(number, int):
            return call
        restored = self._stream(index, number).feed(function["arguments"])
        return {**call, "function": {**function, "arguments": restored}}

    def _end(self, index: int, delta: dict[str, Any]) -> None:
        for key, stream in self._streams.pop(index, {}).items():
            rest = stream.end()
            if not rest:
                continue
            if isinstance(key, str):
                delta[key] = (delta.get(key) or "") + rest
            else:
                _add_arguments(delta, key, rest)

    def _end_thoughts(self, index: int, delta: dict[str, Any]) -> None:
        streams = self._streams.get(index, {})
        for name in _THOUGHTS:
            if name in streams and (rest := streams.pop(name).end()):
                delta[name] = (delta.get(name) or "") + rest

    def _stream(self, index: int, key: str | int) -> StreamRestorer:
        """The stream of a text, by its name, or of a tool call's arguments, by its number."""
        streams = self._streams.setdefault(index, {})
        if key not in streams:
            streams[key] = StreamRestorer(self._tokens, in_json=isinstance(key, int))
        return streams[key]


def _add_arguments(delta: dict[str, Any], number: int, rest: str) -> None:
    calls = delta.setdefault("tool_calls", [])
    for call in calls:
        if (
            isinstance(call, dict)
            and call.get("index", 0) == number
            and isinstance(call.get("function"), dict)
        ):
            call["function"]["arguments"] = (call["function"].get("arguments") or "") + rest
            return
    calls.append({"index": number, "function": {"arguments": rest}})
