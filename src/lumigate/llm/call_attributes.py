"""What the span of a model call says, by the names of the GenAI conventions. Absent values leave no attribute."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer, mapping
from lumigate.llm.router import Target
from lumigate.scope import Scope


def request_attributes(scope: Scope, chat: ChatRequest, target: Target) -> dict[str, Any]:
    """Of what is asked, and of whom."""
    conversation = _conversation(scope, chat)
    optional = (
        ("gen_ai.conversation.id", conversation),
        ("session.id", conversation),
        ("user.id", scope.facts.subject_hash or None),
        ("gen_ai.request.max_tokens", chat.max_tokens),
        ("gen_ai.request.temperature", chat.temperature),
        ("gen_ai.request.top_p", chat.top_p),
    )
    return {
        "gen_ai.request.stream": chat.stream,
        "server.address": _host(target.access.base_url),
        **{name: value for name, value in optional if value is not None},
    }


@lru_cache(maxsize=64)
def _host(base_url: str) -> str:
    return urlsplit(base_url).hostname or ""


def _conversation(scope: Scope, chat: ChatRequest) -> str | None:
    """The session, or the conversation where the caller names it: a header, or `metadata.conversation_id`."""
    if scope.facts.conversation_id:
        return scope.facts.conversation_id
    named = scope.headers.get("x-conversation-id") or mapping(chat.body.get("metadata")).get(
        "conversation_id"
    )
    return named[:128] if isinstance(named, str) and named else None


def answer_attributes(answer: Answer) -> dict[str, Any]:
    """Of what came back, as far as the provider told."""
    optional = (
        ("gen_ai.response.id", answer.id or None),
        ("gen_ai.response.model", answer.model or None),
        ("gen_ai.response.finish_reasons", answer.finish_reasons or None),
        ("gen_ai.usage.input_tokens", answer.input_tokens),
        ("gen_ai.usage.output_tokens", answer.output_tokens),
        ("gen_ai.usage.cache_read.input_tokens", answer.cache_read_tokens or None),
        ("gen_ai.usage.cache_creation.input_tokens", answer.cache_write_tokens or None),
        ("gen_ai.usage.reasoning.output_tokens", answer.reasoning_tokens or None),
    )
    return {name: value for name, value in optional if value is not None}
