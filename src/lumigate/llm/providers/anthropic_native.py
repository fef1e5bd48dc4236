"""Anthropic behind its own front door: requests, answers and events pass as they are, and are only learned from."""

from __future__ import annotations

import re

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.http.sse import event_data, split_events
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer, Call, EventReader, mapping
from lumigate.llm.providers.anthropic import AnthropicProvider
from lumigate.llm.providers.anthropic_answers import finish_of, learn_message, learn_usage, read_message

# Inside a JSON string a quote is escaped, so these match the types of events only.
_TELLING = re.compile(rb'"type"\s*:\s*"(?:message_start|message_delta|message_stop|error)"')
_STOP_EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class AnthropicNativeProvider(AnthropicProvider):
    """The `Provider` protocol, for requests in Anthropic's own words."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        assert chat.native is not None
        body = {**chat.native, "model": route.model}
        return self.call(access, body, stream=chat.stream, betas=chat.native_features)

    def read_answer(self, body: bytes, answer: Answer) -> bytes:
        read_message(body, answer)
        return body

    def reader(self, answer: Answer, *, strip_usage: bool) -> EventReader:
        del strip_usage  # their streams always have it
        return NativeReader(answer)


class NativeReader:
    """Passes on every block as it came."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        if not _TELLING.search(block):
            return block, False
        at = 0
        for raw in split_events(block):
            at += len(raw)
            event = mapping(strict_json.load_object(event_data(raw)))
            match event.get("type"):
                case "message_start":
                    learn_message(mapping(event.get("message")), self._answer)
                case "message_delta":
                    learn_usage(mapping(event.get("usage")), self._answer)
                    reason = mapping(event.get("delta")).get("stop_reason")
                    if isinstance(reason, str):
                        self._answer.finish_reasons = (finish_of(reason),)
                case "message_stop":
                    return block[:at], True
                case "error":
                    self._answer.failed = True
        return block, False

    def end(self) -> bytes:
        return _STOP_EVENT
