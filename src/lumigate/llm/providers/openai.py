"""OpenAI's chat completions, and every provider that speaks the same.

Shapes: https://platform.openai.com/docs/api-reference/chat (objects `chat.completion` and `chat.completion.chunk`).
A stream ends with `data: [DONE]`; usage comes in an event of its own with empty `choices`, when it was asked for. We
always ask, since cost is reckoned from it, and take the event out again where the caller did not.
"""

from __future__ import annotations

import json
import re
from typing import Any

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess
from lumigate.http.sse import event_data, split_events
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer, BadAnswer, Call

_DONE = b"[DONE]"
# Inside a JSON string a quote is escaped, so these match keys only; they spare most events the JSON parser.
_TELLING = re.compile(rb'"usage"\s*:\s*\{|"finish_reason"\s*:\s*"|\[DONE\]|"error"\s*:')
_MAX_MESSAGE_CHARS = 1000


class OpenAIProvider:
    """The `Provider` protocol; without state."""

    def build_call(self, access: ProviderAccess, route: ModelRoute, chat: ChatRequest) -> Call:
        body = {**chat.body, "model": route.model}
        if chat.stream:
            body["stream_options"] = {**(chat.body.get("stream_options") or {}), "include_usage": True}
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if chat.stream else "application/json",
        }
        if access.api_key is not None:
            headers["authorization"] = f"Bearer {access.api_key.get_secret_value()}"
        # ASCII escapes carry lone surrogates, which UTF-8 cannot.
        return Call(
            url=f"{access.base_url}/chat/completions",
            headers=headers,
            body=json.dumps(body, separators=(",", ":")).encode("ascii"),
        )

    def read_answer(self, body: bytes) -> Answer:
        document = strict_json.load_object(body)
        if document is None:
            raise BadAnswer("it is not a JSON object")
        if not isinstance(document.get("choices"), list):
            raise BadAnswer("it has no choices")
        answer = Answer()
        _learn(document, answer)
        return answer

    def read_events(self, block: bytes, answer: Answer, *, strip_usage: bool) -> tuple[bytes, bool]:
        if answer.id and not _TELLING.search(block):
            return block, False
        passed: list[bytes] = []
        done = False
        for event in split_events(block):
            data = event_data(event)
            if data.strip() == _DONE:
                done = True
            elif data:
                document = strict_json.load_object(data)
                if document is not None:
                    _learn(document, answer)
                    if strip_usage and document.get("usage") and document.get("choices") == []:
                        continue
            passed.append(event)
        return b"".join(passed), done

    def error_message(self, body: bytes) -> tuple[str, str | None]:
        document = strict_json.load_object(body)
        error = document.get("error") if document else None
        if isinstance(error, str):
            return error[:_MAX_MESSAGE_CHARS], None
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            param = error.get("param")
            return error["message"][:_MAX_MESSAGE_CHARS], param if isinstance(param, str) else None
        return "no reason given", None


def _learn(document: dict[str, Any], answer: Answer) -> None:
    """Take what an answer or a chunk says of itself. Tolerant: a missing or odd field teaches nothing."""
    if isinstance(document.get("id"), str):
        answer.id = document["id"]
    if isinstance(document.get("model"), str):
        answer.model = document["model"]
    if document.get("error") is not None:
        answer.failed = True
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        reason = choice.get("finish_reason") if isinstance(choice, dict) else None
        if isinstance(reason, str):
            answer.finish_reasons = (*answer.finish_reasons, reason)
    usage = document.get("usage")
    if isinstance(usage, dict):
        answer.input_tokens = _count(usage.get("prompt_tokens"))
        answer.output_tokens = _count(usage.get("completion_tokens"))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
