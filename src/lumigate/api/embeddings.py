"""POST /v1/embeddings: OpenAI's shape, whichever provider is behind it."""

from __future__ import annotations

from lumigate.api.chat import ChatCompletions
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.llm.dialects.openai import EMBEDDINGS_DIALECT
from lumigate.llm.router import Router


class Embeddings(ChatCompletions):
    """The handler: the way of a chat, with vectors at the end of it."""

    def __init__(self, settings: Settings, cache: TieredCache, router: Router) -> None:
        super().__init__(settings, cache, router, EMBEDDINGS_DIALECT)
