"""The ports of one request, made from its `env` and `ctx`. A binding is looked up once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import cached_property
from typing import Any

import js

from lumigate.platform.workers.aead import WorkersAead
from lumigate.platform.workers.ai import WorkersAI
from lumigate.platform.workers.bindings import (
    WorkersBlobStore,
    WorkersCounterShard,
    WorkersDataPoints,
    WorkersKeyValue,
    WorkersRateLimit,
)
from lumigate.platform.workers.clock import WorkersClock, WorkersEntropy
from lumigate.platform.workers.crypto import WorkersCrypto
from lumigate.platform.workers.fetch import fetch
from lumigate.platform.workers.ledger import WorkersLedger
from lumigate.platform.workers.post import post
from lumigate.platform.workers.session_bindings import WorkersSession, WorkersSessionIndex
from lumigate.platform.workers.timeout import WorkersTimeout
from lumigate.platform.workers.vectorize import WorkersVectorIndex

CLOCK = WorkersClock()
ENTROPY = WorkersEntropy()
CRYPTO = WorkersCrypto()
AEAD = WorkersAead()
"""Without state, so one of each serves all requests."""


class WorkersPorts:
    """The `Ports` protocol. Bindings are named as in `wrangler.toml`; one that is not declared is None."""

    clock = CLOCK
    entropy = ENTROPY
    crypto = CRYPTO
    aead = AEAD
    fetch = staticmethod(fetch)
    post = staticmethod(post)

    def __init__(self, env: Any, ctx: Any) -> None:
        self._env = env
        self._ctx = ctx

    def background(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        self._ctx.waitUntil(coroutine)

    def console(self, line: str, /) -> None:
        js.console.log(line)

    @cached_property
    def key_value(self) -> WorkersKeyValue | None:
        binding = getattr(self._env, "CACHE", None)
        return WorkersKeyValue(binding) if binding is not None else None

    @cached_property
    def blobs(self) -> WorkersBlobStore | None:
        binding = getattr(self._env, "BLOBS", None)
        return WorkersBlobStore(binding) if binding is not None else None

    @cached_property
    def vectors(self) -> WorkersVectorIndex | None:
        binding = getattr(self._env, "VECTORS", None)
        return WorkersVectorIndex(binding) if binding is not None else None

    @cached_property
    def data_points(self) -> WorkersDataPoints | None:
        binding = getattr(self._env, "POINTS", None)
        return WorkersDataPoints(binding) if binding is not None else None

    @cached_property
    def rate_limit(self) -> WorkersRateLimit | None:
        binding = getattr(self._env, "RATE_LIMIT", None)
        return WorkersRateLimit(binding) if binding is not None else None

    @cached_property
    def address_limit(self) -> WorkersRateLimit | None:
        binding = getattr(self._env, "RATE_LIMIT_ADDRESS", None)
        return WorkersRateLimit(binding) if binding is not None else None

    @property
    def timeout(self) -> type[WorkersTimeout]:
        return WorkersTimeout

    @cached_property
    def ai(self) -> WorkersAI | None:
        binding = getattr(self._env, "AI", None)
        return WorkersAI(binding) if binding is not None else None

    def shard(self, name: str) -> WorkersCounterShard | None:
        binding = getattr(self._env, "METRICS_SHARD", None)
        return WorkersCounterShard(binding, name) if binding is not None else None

    def blobs_in(self, jurisdiction: str) -> WorkersBlobStore | None:
        binding = getattr(self._env, "BLOBS_EU", None) if jurisdiction == "eu" else None
        return WorkersBlobStore(binding) if binding is not None else None

    def ledger(self, tenant: str, jurisdiction: str = "") -> WorkersLedger | None:
        binding = getattr(self._env, "TENANT_LEDGER", None)
        return WorkersLedger(binding, tenant, jurisdiction) if binding is not None else None

    def session(self, name: str, jurisdiction: str = "") -> WorkersSession | None:
        binding = getattr(self._env, "SESSION", None)
        return WorkersSession(binding, name, jurisdiction) if binding is not None else None

    def session_index(self, owner: str, jurisdiction: str = "") -> WorkersSessionIndex | None:
        binding = getattr(self._env, "SESSION_INDEX", None)
        return WorkersSessionIndex(binding, owner, jurisdiction) if binding is not None else None
