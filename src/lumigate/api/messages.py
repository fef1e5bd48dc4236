"""POST /v1/messages: Anthropic's shape and event stream, whichever provider is behind it."""

from __future__ import annotations

from lumigate.api.chat import ChatCompletions
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.http.types import Response
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.llm.router import Router
from lumigate.scope import Scope

MESSAGES_ROUTE = "/v1/messages"


class Messages:
    """The handler. Their clients look for the request's id under a name of its own."""

    def __init__(self, settings: Settings, cache: TieredCache, router: Router) -> None:
        self._answer = ChatCompletions(settings, cache, router, ANTHROPIC_DIALECT)

    async def __call__(self, scope: Scope) -> Response:
        response = await self._answer(scope)
        response.headers["request-id"] = scope.facts.request_id
        return response
