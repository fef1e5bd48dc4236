"""Mistral's chat completions and embeddings: OpenAI's shape with names and rules of its own.

Shapes: https://docs.mistral.ai/api/#tag/chat, https://docs.mistral.ai/capabilities/reasoning/ (content in chunks). It
refuses parameters it does not know, sends usage in every stream's last event without being asked, and takes only nine
letters or digits as the id of a tool call: other ids are replaced by a digest, the same one wherever they stand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ProviderAccess
from lumigate.errors import UnsupportedByProvider
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import encode
from lumigate.llm.chat import ChatRequest
from lumigate.llm.parts import text_of
from lumigate.llm.provider import USUAL, Answer, EventReader, mapping, refuse_unknown, sequence, text
from lumigate.llm.providers.openai import OpenAIProvider, OpenAIReader

_RENAMED = {"max_completion_tokens": "max_tokens", "seed": "random_seed"}
_KNOWN = USUAL | {
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "parallel_tool_calls",
    "prediction",
    "prompt_mode",
    "safe_prompt",
    "random_seed",
}
_OWN_ID = re.compile(r"[A-Za-z0-9]{9}")
_FINISH = {"model_length": "length"}
_CHUNKED = re.compile(rb'"content"\s*:\s*\[|"model_length"')


class MistralProvider(OpenAIProvider):
    """The `Provider` protocol; without state."""

    def adapt(self, access: ProviderAccess, chat: ChatRequest, body: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown(access, body, _KNOWN)
        if chat.temperature is not None and chat.temperature > 1.5:
            raise UnsupportedByProvider(access.name, "a temperature above 1.5", param="temperature")
        adapted: dict[str, Any] = {}
        for name, value in body.items():
            if name in _KNOWN and value is not None:
                adapted[_RENAMED.get(name, name)] = value
        if adapted.get("tool_choice") == "required":
            adapted["tool_choice"] = "any"
        adapted["messages"] = [
            _message(message, f"messages.{index}") for index, message in enumerate(chat.body["messages"])
        ]
        return adapted

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        body = super().read_answer(body, answer)
        answer.finish_reasons = tuple(_FINISH.get(reason, reason) for reason in answer.finish_reasons)
        if not _CHUNKED.search(body):
            return body
        document: dict[str, Any] = json.loads(body)  # it has just been read
        for choice in map(mapping, sequence(document.get("choices"))):
            _plain(choice, "message")
        return encode(document)

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        return MistralReader(self, answer, strip_usage=strip_usage)

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        """`message` is text, or holds FastAPI's list of what is wrong."""
        document = mapping(strict_json.load_object(body))
        message = document.get("message", document.get("detail"))
        found = mapping(message).get("detail", message)
        if isinstance(found, list) and found:
            first = mapping(found[0])
            place = ".".join(str(part) for part in sequence(first.get("loc")) if part != "body")
            return text(first.get("msg"))[:1000] or "no reason given", place or None
        return (found[:1000], None) if isinstance(found, str) and found else super().error_message(body)


class MistralReader(OpenAIReader):
    """Passes events on as they came but for those with content in chunks, and the usage nobody asked for."""

    __slots__ = ()

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        passed, done = super().read_events(block)
        if not _CHUNKED.search(passed) and not (self._strip_usage and b'"usage"' in passed):
            return passed, done
        reasons = self._answer.finish_reasons
        self._answer.finish_reasons = tuple(_FINISH.get(reason, reason) for reason in reasons)
        return b"".join(map(self._rewrite, split_events(passed))), done

    def _rewrite(self, event: bytes) -> bytes:
        """Each event by itself, so that what goes out does not depend on how the stream was cut."""
        if not _CHUNKED.search(event) and not (self._strip_usage and b'"usage"' in event):
            return event
        document = strict_json.load_object(event_data(event))
        if document is None:
            return event
        for choice in map(mapping, sequence(document.get("choices"))):
            _plain(choice, "delta")
        if self._strip_usage:
            document.pop("usage", None)
        return b"data: " + encode(document) + b"\n\n"


def _plain(choice: Mapping[str, Any], member: str) -> None:
    """Content in chunks as text, with what was thought beside it; finish reasons by their usual names."""
    message = choice.get(member)
    if isinstance(choice, dict) and text(choice.get("finish_reason")) in _FINISH:
        choice["finish_reason"] = _FINISH[choice["finish_reason"]]
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return
    texts, thoughts = [], []
    for chunk in map(mapping, message["content"]):
        if chunk.get("type") == "thinking":
            thoughts += [text(mapping(part).get("text")) for part in sequence(chunk.get("thinking"))]
        else:
            texts.append(text(chunk.get("text")))
    message["content"] = "".join(texts)
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)


def _message(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    adapted = {name: value for name, value in message.items() if name not in _NOT_TAKEN}
    if message["role"] == "assistant" and not message.get("content") and (said := text_of(message, where)):
        adapted["content"] = said  # a refusal, which is text there
    if message["role"] == "developer":
        adapted["role"] = "system"
    if isinstance(message.get("tool_call_id"), str):
        adapted["tool_call_id"] = _identity(message["tool_call_id"])
    if isinstance(message.get("tool_calls"), list):
        adapted["tool_calls"] = [
            {**call, "id": _identity(call["id"])}
            if isinstance(call, dict) and isinstance(call.get("id"), str)
            else call
            for call in message["tool_calls"]
        ]
    return adapted


_NOT_TAKEN = frozenset({"refusal", "reasoning_content", "reasoning_details", "annotations", "audio"})
"""Members of an answer that callers send back with it, and that this API refuses."""


def _identity(given: str) -> str:
    if _OWN_ID.fullmatch(given):
        return given
    return hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:9]
