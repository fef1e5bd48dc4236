"""OpenAI's chat completions and embeddings, and the base of every provider that speaks the same.

Shapes: https://platform.openai.com/docs/api-reference/chat (objects `chat.completion` and `chat.completion.chunk`)
and https://platform.openai.com/docs/api-reference/embeddings. A stream ends with `data: [DONE]`; usage comes in an
event of its own with empty `choices`, when it was asked for. We always ask, since cost is reckoned from it, and take
the event out again where the caller did not. Answers are passed on byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import DONE_EVENT, encode
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import (
    MAX_MESSAGE_CHARS,
    Answer,
    BadAnswer,
    Call,
    EventReader,
    count,
    mapping,
    sequence,
    text,
)

_THINKER = re.compile(r"o[1-9]|gpt-[5-9]")
"""Models that know the cap by its newer name only. Who names an alias cannot know which one is behind it."""
_ADDITIONS = frozenset({"reasoning_content", "reasoning_details", "images"})
"""What the canonical form has beside OpenAI's. Other servers that speak OpenAI's API may want it back."""
_DONE = b"[DONE]"
# Inside a JSON string a quote is escaped, so these match keys only; they spare most events the JSON parser.
_TELLING = re.compile(rb'"usage"\s*:\s*\{|"finish_reason"\s*:\s*"|\[DONE\]|"error"\s*:')


class OpenAIProvider:
    """The `Provider` protocol; without state. Dialects override `adapt` and `learn`."""

    chat_path = "/chat/completions"
    embeddings_path = "/embeddings"

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        body = self.adapt(access, chat, {**chat.body, "model": route.model})
        return Call(
            url=f"{access.base_url}{self.chat_path}",
            headers=json_headers(access, stream=chat.stream) | bearer(access),
            body=encode(body),
        )

    def adapt(self, access: ProviderAccess, chat: ChatRequest, body: dict[str, Any]) -> dict[str, Any]:
        """The body as this provider wants it; may change and return what it is given."""
        if access.name == "openai":
            body["messages"] = _without_additions(body["messages"])
        if body.get("max_tokens") is not None and _THINKER.match(body["model"]):
            body["max_completion_tokens"] = body.pop("max_tokens")
        if chat.stream:
            body["stream_options"] = {**(chat.body.get("stream_options") or {}), "include_usage": True}
        return body

    def beyond_the_cap(self, route: ModelRoute, body: Mapping[str, Any]) -> int:
        del route, body
        return 0

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        document = strict_json.load_object(body)
        if document is None:
            raise BadAnswer("it is not a JSON object")
        self.learn(document, answer)
        if not answer.failed and not sequence(document.get("choices")):
            raise BadAnswer("it has no choices")
        return body

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        return OpenAIReader(self, answer, strip_usage=strip_usage)

    def learn(self, document: dict[str, Any], answer: Answer) -> None:
        """Take what an answer or a chunk says of itself. Tolerant: a missing or odd field teaches nothing."""
        learn(document, answer)

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        document = strict_json.load_object(body)
        error = document.get("error") if document else None
        if isinstance(error, str):
            return error[:MAX_MESSAGE_CHARS], None
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            param = error.get("param")
            return error["message"][:MAX_MESSAGE_CHARS], param if isinstance(param, str) else None
        return "no reason given", None

    def build_embeddings_call(
        self, access: ProviderAccess, route: ModelRoute, body: Mapping[str, Any]
    ) -> Call:
        return Call(
            url=f"{access.base_url}{self.embeddings_path}",
            headers=json_headers(access) | bearer(access),
            body=encode({**body, "model": route.model}),
        )

    def read_embeddings(self, body: bytes, answer: Answer, *, base64: bool) -> bytes:
        del base64  # the provider has been asked for it
        document = strict_json.load_object(body)
        if document is None or not isinstance(document.get("data"), list):
            raise BadAnswer("it has no data")
        self.learn(document, answer)
        return body


class OpenAIReader:
    """Passes on the block as it came unless something in it must be learned or taken out."""

    __slots__ = ("_answer", "_provider", "_strip_usage")

    def __init__(self, provider: OpenAIProvider, answer: Answer, *, strip_usage: bool) -> None:
        self._provider = provider
        self._answer = answer
        self._strip_usage = strip_usage

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        answer = self._answer
        if answer.id and not _TELLING.search(block):
            return block, False
        passed: list[bytes] = []
        for event in split_events(block):
            if answer.id and not _TELLING.search(event):  # events that came together with one that tells
                passed.append(event)
                continue
            data = event_data(event)
            if data.strip() == _DONE:
                passed.append(event)
                return b"".join(passed), True
            if data:
                document = strict_json.load_object(data)
                if document is not None:
                    self._provider.learn(document, answer)
                    if self._strip_usage and document.get("usage") and document.get("choices") == []:
                        continue
            passed.append(event)
        return b"".join(passed), False

    def end(self) -> bytes:
        return DONE_EVENT


def _without_additions(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Earlier answers without what other providers' have beside OpenAI's own members, which OpenAI may refuse."""
    return [
        _without_additions_of(message) if message["role"] == "assistant" else message for message in messages
    ]


def _without_additions_of(message: dict[str, Any]) -> dict[str, Any]:
    if not _ADDITIONS.isdisjoint(message):
        message = {name: value for name, value in message.items() if name not in _ADDITIONS}
    calls = message.get("tool_calls")
    if isinstance(calls, list) and any("extra_content" in mapping(call) for call in calls):
        bare = [{n: v for n, v in mapping(call).items() if n != "extra_content"} for call in calls]
        message = {**message, "tool_calls": bare}
    return message


def json_headers(access: ProviderAccess, *, stream: bool = False) -> dict[str, str]:
    """What every call carries, the settings' own headers included."""
    return {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        **access.header_values(),
    }


def bearer(access: ProviderAccess) -> dict[str, str]:
    return {} if access.api_key is None else {"authorization": f"Bearer {access.api_key.get_secret_value()}"}


def learn(document: Mapping[str, Any], answer: Answer) -> None:
    """What a document in canonical form says of itself."""
    answer.id = text(document.get("id")) or answer.id
    answer.model = text(document.get("model")) or answer.model
    answer.service_tier = text(document.get("service_tier")) or answer.service_tier
    if document.get("error") is not None:
        answer.failed = True
    for choice in sequence(document.get("choices")):
        reason = mapping(choice).get("finish_reason")
        if isinstance(reason, str):
            answer.finish_reasons = (*answer.finish_reasons, reason)
    usage = document.get("usage")
    if isinstance(usage, dict):
        learn_usage(usage, answer)


def learn_usage(usage: Mapping[str, Any], answer: Answer) -> None:
    answer.input_tokens = count(usage.get("prompt_tokens"))
    answer.output_tokens = count(usage.get("completion_tokens"))
    prompt = mapping(usage.get("prompt_tokens_details"))
    completion = mapping(usage.get("completion_tokens_details"))
    answer.cache_read_tokens = count(prompt.get("cached_tokens")) or 0
    answer.cache_write_tokens = count(prompt.get("cache_write_tokens")) or 0
    answer.reasoning_tokens = count(completion.get("reasoning_tokens")) or 0
