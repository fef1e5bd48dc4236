"""What a provider is to the gateway: three pure functions and a row in a table (`lumigate.llm.providers`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lumigate.config import ModelRoute, ProviderAccess
from lumigate.llm.chat import ChatRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An HTTP request ready to be sent to a provider. `headers` hold the provider's key: never log them."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Answer:
    """What an answer says of itself; for a stream, filled in event by event."""

    id: str = ""
    model: str = ""
    finish_reasons: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    failed: bool = False


class BadAnswer(Exception):
    """An answer that does not have the provider's shape; the text says what is wrong, without its content."""


class Provider(Protocol):
    """One file under `providers/` each."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call: ...

    def read_answer(self, body: bytes) -> Answer:
        """Raises `BadAnswer`."""
        ...

    def read_events(self, block: bytes, answer: Answer, *, strip_usage: bool) -> tuple[bytes, bool]:
        """Learn from whole events of a stream: the events to pass on, and whether they end the stream."""
        ...

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        """The message and the offending parameter in an error answer; a general one where it has none."""
        ...
