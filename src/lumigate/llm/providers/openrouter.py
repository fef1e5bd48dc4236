"""OpenRouter: OpenAI's shape, with the money it took in the usage.

Shapes: https://openrouter.ai/docs/api-reference/overview, …/docs/use-cases/usage-accounting, …/docs/api/streaming
(errors in a stream come as an event with `error` and the finish reason `error`; comments keep the line open).
"""

from __future__ import annotations

from typing import Any

from lumigate.config import ProviderAccess
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer, mapping
from lumigate.llm.providers.openai import OpenAIProvider, learn


class OpenRouterProvider(OpenAIProvider):
    """The `Provider` protocol; without state."""

    def adapt(self, access: ProviderAccess, chat: ChatRequest, body: dict[str, Any]) -> dict[str, Any]:
        body = super().adapt(access, chat, body)
        body["usage"] = {**mapping(chat.body.get("usage")), "include": True}
        # A model that lacks one of the parameters is not to be chosen, rather than to overlook it.
        body["provider"] = {"require_parameters": True, **mapping(chat.body.get("provider"))}
        return body

    def learn(self, document: dict[str, Any], answer: Answer) -> None:
        learn(document, answer)
        cost = mapping(document.get("usage")).get("cost")
        if isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= 0:
            answer.cost_usd = float(cost)
        if "error" in answer.finish_reasons:
            answer.failed = True
