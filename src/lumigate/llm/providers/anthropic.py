"""Anthropic's Messages API.

Shapes: https://docs.claude.com/en/api/messages, …/api/messages-streaming (events), …/api/errors,
…/docs/build-with-claude/extended-thinking, …/prompt-caching (usage). What a model thought is `reasoning_content`, with
its signed blocks in `reasoning_details`, which a later request hands back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import UnsupportedByProvider
from lumigate.llm.canonical import encode, message_of, tool_call, write_completion
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import MAX_MESSAGE_CHARS, Answer, BadAnswer, Call, EventReader, mapping, text
from lumigate.llm.providers.anthropic_answers import AnthropicReader, detail_of, read_message
from lumigate.llm.providers.anthropic_requests import messages_request
from lumigate.llm.providers.anthropic_thinking import budget_of
from lumigate.llm.providers.openai import json_headers

VERSION = "2023-06-01"


class AnthropicProvider:
    """The `Provider` protocol; without state."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        return self.call(access, messages_request(access, route, chat), stream=chat.stream)

    def call(self, access: ProviderAccess, body: Mapping[str, Any], *, stream: bool, betas: str = "") -> Call:
        headers = json_headers(access, stream=stream) | {"anthropic-version": VERSION}
        if access.api_key is not None:
            headers["x-api-key"] = access.api_key.get_secret_value()
        if betas:
            headers["anthropic-beta"] = betas
        return Call(url=f"{access.base_url}/v1/messages", headers=headers, body=encode(body))

    def beyond_the_cap(self, route: ModelRoute, body: Mapping[str, Any]) -> int:
        return budget_of(route.model, body)

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        document = read_message(body, answer)
        texts: list[str] = []
        thoughts: list[str] = []
        details: list[Mapping[str, Any]] = []
        calls: list[Mapping[str, Any]] = []
        for block in map(mapping, document["content"]):
            match block.get("type"):
                case "text":
                    texts.append(text(block.get("text")))
                case "thinking" | "redacted_thinking":
                    thoughts.append(text(block.get("thinking")))
                    details.append(detail_of(block))
                case "tool_use":
                    arguments = json.dumps(block.get("input") or {}, separators=(",", ":"))
                    calls.append(tool_call(text(block.get("id")), text(block.get("name")), arguments))
        message = message_of("".join(texts), reasoning="".join(thoughts), details=details, tool_calls=calls)
        finish = answer.finish_reasons[0] if answer.finish_reasons else "stop"
        return write_completion(answer, [{"message": message, "finish_reason": finish}])

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        return AnthropicReader(answer, strip_usage=strip_usage)

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        error = mapping(mapping(strict_json.load_object(body)).get("error"))
        return text(error.get("message"))[:MAX_MESSAGE_CHARS] or "no reason given", None

    def build_embeddings_call(
        self, access: ProviderAccess, route: ModelRoute, body: Mapping[str, Any]
    ) -> Call:
        raise UnsupportedByProvider(access.name, "embeddings", param="model")

    def read_embeddings(self, body: bytes, answer: Answer, *, base64: bool) -> bytes:
        raise BadAnswer("there are no embeddings here")
