"""Answers for prompts that mean the same and are written otherwise: in memory, by an index in KV, then by vectors.

Off unless a route has a threshold. What is found is the key of another request of the same tenant and context; whether
its answer is still good is judged by the tiers. An index in KV is read and written as a whole, in the background where
it is written: of two isolates that learn at once one may win, which costs a hit and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Self

from lumigate.cache.asked import Asked, Found
from lumigate.cache.entry import Entry
from lumigate.cache.key import short_hash
from lumigate.cache.near.confirm import Confirm, cosine, quantised
from lumigate.cache.near.index import Contexts, Known, NearIndex
from lumigate.cache.near.query import NearQuery
from lumigate.cache.near.vectors import NearVectors
from lumigate.cache.settings import CacheSettings
from lumigate.privacy.sealing import KeyRing, Purpose, Sealer
from lumigate.scope import Scope, Step

_GRACE_NS: Final = 2_000_000_000

type ReadNear = Callable[[Scope, Asked, str, Step, float], Awaitable[Found | None]]
"""The answer under the key of another request, if it is still good."""


class NearMatches:
    """One an isolate."""

    def __init__(
        self,
        *,
        keys: KeyRing | None,
        budget_ms: float,
        cosine_threshold: float,
        vectors: NearVectors | None = None,
    ) -> None:
        self._keys = keys
        self._budget_seconds = budget_ms / 1e3
        self._cosine_threshold = cosine_threshold
        self._contexts = Contexts()
        self.vectors = vectors
        self.confirm: Confirm | None = None
        """Set where an embedding model is to confirm what is near."""

    @classmethod
    def of(cls, settings: CacheSettings, keys: KeyRing | None) -> Self:
        vectors = NearVectors(
            keys=keys, budget_ms=settings.near_vectors_budget_ms, threshold=settings.near_embedding_threshold
        )
        return cls(
            keys=keys,
            budget_ms=settings.l2_budget_ms,
            cosine_threshold=settings.near_embedding_threshold,
            vectors=vectors if settings.near_vectors else None,
        )

    async def find(self, scope: Scope, asked: Asked, lookup: Step, read: ReadNear) -> Found | None:
        """The answer for a prompt that means the same, from whatever tier has it."""
        found = await self._find_by_signature(scope, asked, lookup, read)
        if found is None and self.vectors is not None:
            for key, near in await self.vectors.nearest(scope, asked, lookup, self._embedding):
                if (found := await read(scope, asked, key, lookup, near)) is not None:
                    break
        return found

    async def _find_by_signature(
        self, scope: Scope, asked: Asked, lookup: Step, read: ReadNear
    ) -> Found | None:
        query = asked.near
        assert query is not None
        for known_before in (True, False):
            if not known_before and not await self._read_index(scope, asked, query):
                return None
            threshold = asked.rules.near_threshold or 1.0
            nearest = self._contexts.of(query.context).nearest(
                query, threshold=threshold, now_ns=scope.clock.now_ns(), but=asked.key
            )
            if nearest is None:
                continue
            known, near = nearest
            if self.confirm is not None and not await self._is_confirmed(scope, asked, known):
                return None
            found = await read(scope, asked, known.key, lookup, near)
            if found is not None:
                return found
        return None

    async def learn(self, scope: Scope, asked: Asked, entry: Entry) -> None:
        """Remember a prompt whose answer is kept, here and for the other isolates. Raises nothing."""
        query = asked.near
        assert query is not None
        vector: tuple[int, ...] = ()
        if self.confirm is not None:
            vector = quantised(await self._embedding(scope, asked) or ())
        index = self._contexts.of(query.context)
        index.add(
            Known(
                key=asked.key,
                meaning=query.meaning,
                signature=query.signature,
                expires_ns=entry.expires_ns,
                vector=vector,
            )
        )
        await self._keep_index(scope, asked, query)
        if self.vectors is not None:
            await self.vectors.learn(scope, asked, entry, self._embedding)

    async def _keep_index(self, scope: Scope, asked: Asked, query: NearQuery) -> None:
        """Tell the other isolates."""
        store, index = scope.ports.key_value, self._contexts.of(query.context)
        if store is None or not await self._may_write(scope, index):
            return
        await self._read_index(scope, asked, query)
        try:
            data = index.to_bytes()
            if self._keys is not None:
                sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
                data = await sealer.seal(data, tenant=asked.namespace, purpose=Purpose.CACHED_ANSWER)
            await store.put(_place(asked, query), data, ttl_seconds=asked.rules.l2_ttl_seconds)
        except Exception:
            labels = {"lumigate.cache.tier": "l2", "lumigate.cache.write": "error"}
            scope.instruments.cache_writes.add(1, labels)
        finally:
            index.wrote(scope.clock.now_ns())

    async def _may_write(self, scope: Scope, index: NearIndex) -> bool:
        """Wait until it may be written again; False where another does, and will find there what this one learnt."""
        waits = False
        while (now_ns := scope.clock.now_ns()) < index.next_write_ns:
            if not waits and now_ns < index.writer_until_ns:
                return False
            waits = True
            index.writer_until_ns = index.next_write_ns + _GRACE_NS
            await scope.clock.sleep((index.next_write_ns - now_ns) / 1e9)
        if waits:
            index.writer_until_ns = 0
        index.wrote(scope.clock.now_ns())  # others wait from now on, and again from when it is done
        return True

    async def _embedding(self, scope: Scope, asked: Asked) -> tuple[float, ...] | None:
        """Of the prompt; a model is asked once a request, if it answers."""
        if asked.embedding is None and asked.near is not None and self.confirm is not None:
            asked.embedding = await self.confirm(scope, asked.near.text)
        return asked.embedding

    async def _read_index(self, scope: Scope, asked: Asked, query: NearQuery) -> bool:
        """Take in what the other isolates know; whether there was anything."""
        store = scope.ports.key_value
        if store is None:
            return False
        try:
            async with scope.ports.timeout(self._budget_seconds):
                data = await store.get(_place(asked, query))
            if data is None:
                return False
            if self._keys is not None:
                sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
                data = await sealer.open(data, tenant=asked.namespace, purpose=Purpose.CACHED_ANSWER)
            self._contexts.of(query.context).merge(data)
        except Exception:  # an index that cannot be read is one that is not there
            return False
        return True

    async def _is_confirmed(self, scope: Scope, asked: Asked, known: Known) -> bool:
        if not known.vector:
            return False
        vector = await self._embedding(scope, asked)
        return vector is not None and cosine(vector, known.vector) >= self._cosine_threshold


def _place(asked: Asked, query: NearQuery) -> str:
    return f"near/{short_hash(asked.namespace)}/{query.context}"
