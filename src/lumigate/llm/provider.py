"""What a provider is to the gateway: a few pure functions and a row in a table (`lumigate.llm.providers`).

The canonical form of a request, an answer and a stream's events is OpenAI's (`chat.completion`,
`chat.completion.chunk`), with two additions in use elsewhere: `reasoning_content` for what a model thought aloud, and
`reasoning_details` for thoughts that must be handed back as they came. A provider that speaks it passes bytes on
untouched. One that does not translates both ways, and refuses what it cannot do: nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import UnsupportedByProvider
from lumigate.http.sse import event_data
from lumigate.llm.chat import ChatRequest

MAX_MESSAGE_CHARS = 1000
"""How much of a provider's error message a caller gets to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request ready to be sent to a provider. `headers` hold the provider's key: never log them.

    With a `binding_model` it goes to the platform's own models (`Ports.ai`), and `url` and `headers` are empty.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    binding_model: str = ""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What an answer says of itself; for a stream, filled in event by event.

    `input_tokens` includes those read from and written to the provider's prompt cache, `output_tokens` those spent on
    reasoning: both as OpenAI counts. `created` (Unix seconds) is ours, for providers that send none. `cost_usd` is the
    provider's own figure, from those that send one.
    """

    id: str = ""
    model: str = ""
    created: int = 0
    finish_reasons: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    service_tier: str = ""
    cost_usd: float | None = None
    failed: bool = False


class BadAnswer(Exception):
    """An answer that does not have the provider's shape; the text says what is wrong, without its content."""


class EventReader(Protocol):
    """Reads one stream. What it gives depends on the events, never on how they were cut into blocks.

    Raises `BadAnswer` for an event that it has to read and cannot: what was said in it would be lost.
    """

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        """Learn from whole events: the canonical events to pass on, and whether they end the stream."""
        ...

    def end(self) -> bytes:
        """What is still to be sent when the provider closed a stream whose answer is whole without saying so."""
        ...


class Provider(Protocol):
    """One file under `providers/` each."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        """Raises `UnsupportedByProvider` for what this provider cannot do, `InvalidRequest` for what nobody can."""
        ...

    def beyond_the_cap(self, route: ModelRoute, body: Mapping[str, Any]) -> int:
        """Tokens that an answer may have over the caller's cap, because the provider counts thoughts apart."""
        ...

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        """Learn from an answer; give it in canonical form. Raises `BadAnswer`."""
        ...

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        """A reader for one stream, which fills in `answer`; `strip_usage` leaves out the event with the usage."""
        ...

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        """The message and the offending parameter in an error answer; a general one where it has none."""
        ...

    def build_embeddings_call(
        self, access: ProviderAccess, route: ModelRoute, body: Mapping[str, Any]
    ) -> Call:
        """Raises `UnsupportedByProvider`."""
        ...

    def read_embeddings(self, body: bytes, answer: Answer, *, base64: bool) -> bytes:
        """Learn from an answer with vectors; give it in OpenAI's form. Raises `BadAnswer`."""
        ...


NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "parallel_tool_calls": (True,),
    "modalities": (["text"],),
    "tools": ([],),
    "tool_choice": ("auto",),
    "reasoning_effort": ("none",),
    "service_tier": ("auto", "default"),
}
"""Values that ask for what happens anyway, so that a provider without the parameter may leave them out."""

BOOKKEEPING = frozenset(
    {
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "metadata",
        "store",
        "stream_options",
    }
)
"""Parameters about OpenAI's records of the caller, not about the answer: they end here where there is no like."""


USUAL = frozenset(
    {
        *(
            "model",
            "messages",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "stop",
            "stream",
        ),
        *("tools", "tool_choice", "response_format", "reasoning_effort"),
    }
)
"""The parameters of a chat that every provider with a shape of its own honours."""


def refuse_unknown(access: ProviderAccess, body: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise `UnsupportedByProvider` for the first parameter that a provider would not honour."""
    for name, value in body.items():
        if name in known or name in BOOKKEEPING or value is None or value in NEUTRAL.get(name, ()):
            continue
        raise UnsupportedByProvider(access.name, f"the parameter '{name[:64]}'", param=name[:64])


def count(value: Any) -> int | None:
    """A number of tokens, if that is what it is."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def event_document(event: bytes) -> dict[str, Any] | None:
    """The object that an event of a stream holds, None for one that holds none. Raises `BadAnswer`."""
    data = event_data(event)
    if not data:
        return None
    try:
        document = strict_json.loads(data)
    except strict_json.JsonError:
        raise BadAnswer("an event of the stream cannot be read") from None
    return document if isinstance(document, dict) else None


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, an empty one for everything else: for reading what may be odd."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
