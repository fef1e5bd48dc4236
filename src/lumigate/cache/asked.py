"""One request as the cache sees it, and what the cache found for it. Plain data of one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate.cache.entry import EVENT_STREAM, Entry
from lumigate.cache.key import cache_key, namespace_of
from lumigate.cache.near.query import NearQuery, near_query
from lumigate.cache.policy import Ruling
from lumigate.cache.settings import CacheRules
from lumigate.llm.chat import ChatRequest

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An answer: from which tier, and as what (`hit`, `stale` or `near`)."""

    entry: Entry
    tier: str
    kind: str
    similarity: float | None = None

    @property
    def outcome(self) -> str:
        """The value of `x-lumigate-cache`."""
        return f"{self.kind}-{self.tier}"


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request that may be answered from the cache, or whose answer may be kept."""

    key: str
    namespace: str
    alias: str
    rules: CacheRules
    ruling: Ruling
    asked_ns: int
    stream: bool
    wants_usage: bool
    near: NearQuery | None = None
    embedding: tuple[float, ...] | None = None
    """Of the prompt, once a model has said it."""
    fallback: Found | None = None
    """A stale answer, for the case that asking fails."""

    @classmethod
    def of(
        cls,
        chat: ChatRequest,
        body: Mapping[str, Any],
        *,
        tenant: str,
        policy: str,
        rules: CacheRules,
        ruling: Ruling,
        now_ns: int,
        any_form: bool,
    ) -> Asked:
        namespace = namespace_of(tenant, shared=rules.shared)
        return cls(
            key=cache_key(namespace=namespace, policy=policy, body=body, any_form=any_form),
            namespace=namespace,
            alias=chat.model,
            rules=rules,
            ruling=ruling,
            asked_ns=now_ns,
            stream=chat.stream,
            wants_usage=chat.wants_usage,
            near=near_query(namespace, policy, body, any_form=any_form)
            if rules.near_threshold is not None
            else None,
        )

    @property
    def content_type(self) -> str:
        return EVENT_STREAM if self.stream else "application/json"

    def entry(
        self,
        body: bytes,
        *,
        provider: str,
        model: str,
        input_tokens: int,
        output_tokens: int,
        cost_usd: float,
        now_ns: int,
    ) -> Entry:
        """The answer as it is kept. It ages from when it was given, and is purged by when it was asked for."""
        fresh_ns = now_ns + int(self.ruling.ttl_seconds * _SECOND)
        return Entry(
            content_type=self.content_type,
            provider=provider,
            model=model,
            alias=self.alias,
            tags=self.ruling.tags,
            usage=not self.stream or self.wants_usage,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=cost_usd,
            asked_ns=self.asked_ns,
            fresh_ns=fresh_ns,
            expires_ns=fresh_ns + self.rules.stale_seconds * _SECOND,
            body=body,
        )
