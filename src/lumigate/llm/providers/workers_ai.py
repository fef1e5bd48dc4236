"""Workers AI: over REST at Cloudflare's OpenAI-compatible endpoints, or through the binding `AI` on Workers.

Shapes: https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/ and, for errors,
https://developers.cloudflare.com/api/ (an envelope with `errors`); the binding's own:
https://developers.cloudflare.com/workers-ai/configuration/bindings/ (`response`, `tool_calls`, `usage`, and a stream of
the same). Without `WORKERS_AI_BASE_URL`, which holds the account, the binding is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import ChunkWriter, encode, message_of, tool_call, write_completion
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import (
    MAX_MESSAGE_CHARS,
    Answer,
    Call,
    EventReader,
    mapping,
    refuse_unknown,
    sequence,
    text,
)
from lumigate.llm.providers.openai import OpenAIProvider, OpenAIReader, learn_usage
from lumigate.llm.vectors import embeddings_document, texts_of

_NOT_TAKEN = frozenset({"model", "stream_options", "max_completion_tokens"})
"""By the binding, which would overlook the cap by its newer name."""


class WorkersAIProvider(OpenAIProvider):
    """The `Provider` protocol; without state."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        if access.base_url:
            return super().build_call(access, route, chat)
        body = {name: value for name, value in chat.body.items() if name not in _NOT_TAKEN}
        if chat.max_tokens is not None:
            body["max_tokens"] = chat.max_tokens
        return Call(url="", headers={}, body=encode(body), binding_model=route.model)

    def build_embeddings_call(
        self, access: ProviderAccess, route: ModelRoute, body: Mapping[str, Any]
    ) -> Call:
        if access.base_url:
            return super().build_embeddings_call(access, route, body)
        refuse_unknown(access, body, frozenset({"model", "input", "encoding_format"}))
        texts_of(access, body)  # it takes nothing else
        request = {"text": body["input"]}
        return Call(url="", headers={}, body=encode(request), binding_model=route.model)

    def read_embeddings(self, body: bytes, answer: Answer, *, base64: bool) -> bytes:
        """The binding's own form is `{shape, data}`, with the bare vectors in `data`."""
        vectors = mapping(strict_json.load_object(body)).get("data")
        if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
            return super().read_embeddings(body, answer, base64=base64)
        return embeddings_document(vectors, answer, base64=base64)

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        document = strict_json.load_object(body)
        if document is None or "response" not in document:
            return super().read_answer(body, answer)
        calls = [
            _tool_call(call, answer.created, number)
            for number, call in enumerate(sequence(document.get("tool_calls")))
        ]
        said = document["response"]
        words = said if isinstance(said, str) else json.dumps(said)  # JSON mode gives the value itself
        answer.finish_reasons = ("tool_calls" if calls else "stop",)
        _learn(document, answer)
        message = message_of(words if said is not None else "", tool_calls=calls)
        return write_completion(answer, [{"message": message, "finish_reason": answer.finish_reasons[0]}])

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        return WorkersAIReader(self, answer, strip_usage=strip_usage)

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        errors = sequence(mapping(strict_json.load_object(body)).get("errors"))
        message = text(mapping(errors[0]).get("message")) if errors else ""
        return (message[:MAX_MESSAGE_CHARS], None) if message else super().error_message(body)


def _learn(document: Mapping[str, Any], answer: Answer) -> None:
    answer.id = answer.id or f"chatcmpl-{answer.created}"
    if isinstance(document.get("usage"), dict):
        learn_usage(document["usage"], answer)


def _tool_call(call: Any, created: int, number: int) -> dict[str, Any]:
    """A tool call of the binding: a name and arguments, which are an object there."""
    arguments = mapping(call).get("arguments")
    given = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, separators=(",", ":"))
    identity = text(mapping(call).get("id")) or f"call_{created}_{number}"  # no other of the conversation
    return tool_call(identity, text(mapping(call).get("name")), given)


class WorkersAIReader(OpenAIReader):
    """OpenAI's events as they came, the binding's own as OpenAI's."""

    def __init__(self, provider: OpenAIProvider, answer: Answer, *, strip_usage: bool) -> None:
        super().__init__(provider, answer, strip_usage=strip_usage)
        self._write = ChunkWriter(answer)

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        if (
            b'"response"' not in block
            and not self._answer.id.startswith("chatcmpl-")
            and b"[DONE]" not in block
        ):
            return super().read_events(block)
        passed: list[bytes] = []
        for event in split_events(block):
            out, done = self._event(event)
            passed.append(out)
            if done:
                return b"".join(passed), True
        return b"".join(passed), False

    def _event(self, event: bytes) -> tuple[bytes, bool]:
        answer = self._answer
        data = event_data(event).strip()
        document = strict_json.load_object(data)
        if document is None or "response" not in document:
            native = answer.id == f"chatcmpl-{answer.created}"
            if data == b"[DONE]" and native and not answer.finish_reasons:
                answer.finish_reasons = ("stop",)
                usage = b"" if self._strip_usage or answer.input_tokens is None else self._write.usage()
                return self._write.delta({}, "stop") + usage + event, True
            return super().read_events(event)
        _learn(document, answer)
        passed = b""
        calls = sequence(document.get("tool_calls"))
        for number, call in enumerate(calls):
            told = _tool_call(call, answer.created, number)
            passed += self._write.delta({"tool_calls": [{"index": number, **told}]})
        if calls:
            answer.finish_reasons = ("tool_calls",)
            passed += self._write.delta({}, "tool_calls")
        words = text(document.get("response"))
        return passed + (self._write.text(words) if words else b""), False
