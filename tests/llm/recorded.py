"""Recorded answers of each provider, and what a stream of canonical events adds up to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lumigate.config import ModelRoute, ProviderAccess
from lumigate.http.sse import EventSplitter, event_data, split_events
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer, Call, Provider
from lumigate.llm.providers import PROVIDERS

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(PROVIDERS)
CREATED = 1_741_570_283
MODELS = {"google": "gemini-2.5-flash", "anthropic": "claude-sonnet-4-5", "cohere": "command-a-03-2025"}


def recorded(provider: str, name: str) -> bytes:
    return (FIXTURES / provider / name).read_bytes()


def access(provider: str) -> ProviderAccess:
    return ProviderAccess(name=provider, base_url="https://provider.example", api_key="sk-secret")


def build(provider: str, /, **body: Any) -> Call:
    """The call made of a request; `...` takes a member away."""
    whole = {"model": "alias", "messages": [{"role": "user", "content": "hello"}], **body}
    chat = ChatRequest.parse({name: value for name, value in whole.items() if value is not ...})
    route = ModelRoute(provider=provider, model=MODELS.get(provider, "m"))
    return PROVIDERS[provider].build_call(access(provider), route, chat)


def sent(provider: str, /, **body: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(build(provider, **body).body)
    return document


def read_stream(
    provider: Provider, chunks: Iterable[bytes], *, strip_usage: bool = False
) -> tuple[bytes, Answer]:
    """What a relay does with a stream, in short."""
    splitter, answer = EventSplitter(), Answer(created=CREATED)
    reader, passed, done = provider.reader(answer, strip_usage=strip_usage), b"", False
    for chunk in chunks:
        block = splitter.feed(chunk)
        if block and not done:
            out, done = reader.read_events(block)
            passed += out
    return passed if done else passed + reader.end(), answer


def documents(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events; comments and the closing mark are left out."""
    data = [event_data(event) for event in split_events(stream)]
    return [json.loads(item) for item in data if item and item != b"[DONE]"]


def added_up(stream: bytes) -> dict[str, Any]:
    """The message and the finish reason that the events of one choice amount to."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "tool_calls": []}
    finish = None
    for document in documents(stream):
        for choice in document["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                if call["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append(
                        {"id": call["id"], "name": call["function"]["name"], "arguments": ""}
                    )
                message["tool_calls"][call["index"]]["arguments"] += call["function"].get("arguments") or ""
            finish = choice["finish_reason"] or finish
    return {**message, "finish_reason": finish}
