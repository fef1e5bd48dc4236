"""Candidates by what a prompt means: a vector index (Vectorize on Workers) beside the signatures.

What is found there is served under more conditions than what signatures find, not fewer: everything around the prompt
is equal, its core is (`core`), and the cosine, worked out here from the vectors themselves, reaches the threshold. The
index is a tier: it has a budget, which the embedding shares, and a breaker; what fails is a miss.

Vectors say much about a prompt and cannot be sealed; which answer they lead to is, so that nobody who writes to the
index can lead to another. Nothing goes there for a request that is bound to a region, and nothing that is not in the
register first, by which it is erased (`register`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence

from lumigate.cache.asked import Asked
from lumigate.cache.counted_breaker import CountedBreaker
from lumigate.cache.entry import Entry
from lumigate.cache.key import short_hash
from lumigate.cache.lower import ERROR, MISS, SKIPPED, STORED
from lumigate.cache.near.confirm import cosine
from lumigate.cache.near.core import core
from lumigate.cache.near.query import NearQuery
from lumigate.cache.near.register import register, vector_id
from lumigate.cache.recording import record_lookup, record_write
from lumigate.ports import VectorMatch
from lumigate.privacy.sealing import CannotOpen, KeyRing, Purpose, Sealer
from lumigate.scope import Scope, Step, fail_span

type Embed = Callable[[Scope, Asked], Awaitable[Sequence[float] | None]]

TIER = "vectors"
NEAR = "near"
CANDIDATES = 3
"""Of those that are equal but for their words, the nearest tell enough; each carries its vector."""
_SECOND = 1_000_000_000


class NearVectors:
    """One an isolate."""

    def __init__(self, *, keys: KeyRing | None, budget_ms: float, threshold: float) -> None:
        self._keys = keys
        self._budget_seconds = budget_ms / 1e3
        self._threshold = threshold
        self.breaker = CountedBreaker(TIER)

    async def nearest(
        self, scope: Scope, asked: Asked, lookup: Step, embed: Embed
    ) -> Sequence[tuple[str, float]]:
        """Keys of answers for prompts that mean the same, the nearest first, with the cosine of each."""
        if scope.ports.vectors is None or not (place := _place(asked.near)):
            return ()
        with scope.step(f"cache.{TIER}", parent=lookup.span) as step:
            result, found = await self._ask(scope, asked, place, embed, step)
            record_lookup(scope, step, TIER, result)
            if found:
                step.span.set_attribute("lumigate.cache.similarity", found[0][1])
        return found

    async def learn(self, scope: Scope, asked: Asked, entry: Entry, embed: Embed) -> None:
        """Remember a prompt whose answer is kept. Raises nothing: in the background there is nobody to tell."""
        index, store = scope.ports.vectors, scope.ports.key_value
        if index is None or store is None or not (place := _place(asked.near)):
            return
        vector = await embed(scope, asked)
        if vector is None or not self.breaker.admits(scope):
            return
        # Answers near one are looked for in memory and KV, so it is of no use for longer than they keep it.
        now_s = scope.clock.now_ns() // _SECOND
        until_s = min(entry.expires_ns // _SECOND, now_s + asked.rules.l2_ttl_seconds)
        try:
            async with scope.ports.timeout(max(5.0, 4 * self._budget_seconds)):
                await register(store, asked.namespace, asked.key, now_s=now_s, until_s=until_s)
                await index.put(
                    vector_id(asked.key, until_s),
                    vector,
                    namespace=short_hash(asked.namespace),
                    metadata={
                        "place": place,
                        "key": await self._sealed_key(scope, asked, place),
                        "until": until_s,
                    },
                )
        except Exception:
            self.breaker.failed(scope)
            record_write(scope, TIER, ERROR)
        else:
            self.breaker.succeeded(scope)
            record_write(scope, TIER, STORED)

    async def _ask(
        self, scope: Scope, asked: Asked, place: str, embed: Embed, step: Step
    ) -> tuple[str, list[tuple[str, float]]]:
        index = scope.ports.vectors
        assert index is not None
        if not self.breaker.admits(scope):
            return SKIPPED, []
        try:
            async with scope.ports.timeout(self._budget_seconds):
                vector = await embed(scope, asked)
                if vector is None:  # no fault of the index: a tenant at its limit, a provider's bad moment
                    return ERROR, []
                matches = await index.nearest(
                    vector, namespace=short_hash(asked.namespace), where={"place": place}, limit=CANDIDATES
                )
        except Exception as error:  # whatever it is, it must not fail the request
            fail_span(step.span, error)
            self.breaker.failed(scope)
            return ERROR, []
        self.breaker.succeeded(scope)
        now_s = scope.clock.now_ns() // _SECOND
        found: dict[str, float] = {}
        for match in matches:
            near = cosine(vector, match.values)
            if near >= self._threshold and _is_good(match, place=place, now_s=now_s):
                key = await self._opened_key(scope, asked, place, match.metadata.get("key"))
                if key is not None and key != asked.key:
                    found[key] = max(near, found.get(key, 0.0))
        ranked = sorted(found.items(), key=lambda item: -item[1])
        return (NEAR if ranked else MISS), ranked

    # --- sealing ----------------------------------------------------------------------------------------------------

    async def _sealed_key(self, scope: Scope, asked: Asked, place: str) -> str:
        if self._keys is None:
            return asked.key
        sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
        sealed = await sealer.seal(
            asked.key.encode("ascii"), tenant=asked.namespace, purpose=Purpose.CACHED_ANSWER, name=place
        )
        return base64.b64encode(sealed).decode("ascii")

    async def _opened_key(self, scope: Scope, asked: Asked, place: str, key: object) -> str | None:
        """None for what `_sealed_key` did not write for this tenant and place."""
        if not isinstance(key, str) or self._keys is None:
            return key if isinstance(key, str) else None
        sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
        try:
            sealed = base64.b64decode(key, validate=True)
            opened = await sealer.open(
                sealed, tenant=asked.namespace, purpose=Purpose.CACHED_ANSWER, name=place
            )
        except (ValueError, CannotOpen):
            return None
        return opened.decode("ascii")


def _place(query: NearQuery | None) -> str:
    """Where prompts lie that may be served for each other: the tenant, all else of the request, and the core.

    Empty for a prompt whose core says nothing.
    """
    bearing = core(query.text) if query is not None else ""
    if query is None or not bearing:
        return ""
    return hashlib.blake2b(f"{query.context}/{bearing}".encode("ascii"), digest_size=16).hexdigest()


def _is_good(match: VectorMatch, *, place: str, now_s: int) -> bool:
    """What an index gives back is looked at, not believed: a filter that it did not apply must not serve anything."""
    until_s = match.metadata.get("until")
    return match.metadata.get("place") == place and isinstance(until_s, int | float) and now_s < until_s
