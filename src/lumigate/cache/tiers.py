"""The tiers together: isolate memory, then KV, then R2. A hit below moves up; a tier that fails is skipped and counted.

Writes below the first tier happen in the background, so a response never waits for one. What is found is judged here:
it may have been purged, be too old for the caller, or be stale, which is served while it is asked for anew, or kept
aside for the case that asking fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from lumigate.cache.asked import Asked, Found
from lumigate.cache.entry import Entry
from lumigate.cache.flight import Flights
from lumigate.cache.key import store_key
from lumigate.cache.lower import ERROR, EXPIRED, HIT, L1, L2, L3, MISS, REFUSED, STORED, LowerTier, has_store
from lumigate.cache.marks import PurgeMarks
from lumigate.cache.memory import MemoryTier
from lumigate.cache.near.matches import NearMatches
from lumigate.cache.negative import Refusal, Refusals
from lumigate.cache.recording import count_evictions, count_savings, record_lookup, record_write
from lumigate.cache.settings import CacheRules, CacheSettings
from lumigate.errors import ClientGone, UpstreamRefused
from lumigate.ports import Ports
from lumigate.privacy.sealing import KeyRing
from lumigate.scope import Scope, Step

STALE = "stale"
_SECOND = 1_000_000_000
_LEASE_FACTOR = 5
_FIRST_POLL_SECONDS = 0.004
_LONGEST_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What an entry that a tier holds is worth to this caller."""

    result: str
    entry: Entry | None = None


class TieredCache:
    """One an isolate."""

    def __init__(self, settings: CacheSettings, *, keys: KeyRing | None = None) -> None:
        """With `keys`, what leaves memory is sealed for the tenant it belongs to."""
        self.settings = settings
        self.memory = MemoryTier(settings.l1_bytes, settings.rules.l1_ttl_seconds)
        self.lower = (
            LowerTier(L2, budget_ms=settings.l2_budget_ms, keys=keys),
            LowerTier(L3, budget_ms=settings.l3_budget_ms, keys=keys),
        )
        self.marks = PurgeMarks(seen_seconds=settings.purge_seen_seconds, budget_ms=settings.l2_budget_ms)
        self._wait_ns = int(settings.stampede_ms * 1e6)
        # Longer than anyone waits: who is asking may take longer, and others need not ask as well.
        self.flights = Flights(_LEASE_FACTOR * settings.stampede_ms / 1e3)
        self.refusals = Refusals()
        self.near = NearMatches.of(settings, keys)

    def longest_seconds(self, rules: CacheRules, ports: Ports) -> int:
        """How long the slowest tier there is keeps an answer."""
        if ports.blobs is not None:
            return max(rules.l3_ttl_seconds, rules.l1_ttl_seconds)
        return max(rules.l2_ttl_seconds if ports.key_value is not None else 0, rules.l1_ttl_seconds)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def lookup(self, scope: Scope, asked: Asked) -> Found | None:
        """The answer from the fastest tier that has it; the facts say which. Raises a refusal that is remembered."""
        with scope.step("cache.lookup") as lookup:
            found = await self._search(scope, asked, lookup)
            scope.facts.cache = "miss" if found is None else found.outcome
            lookup.span.set_attributes(
                {"lumigate.cache.outcome": scope.facts.cache, "lumigate.cache.key": asked.key[:16]}
            )
            if isinstance(found, Refusal):
                lookup.span.set_attribute("lumigate.cache.negative", True)
            elif found is not None and found.similarity is not None:
                lookup.span.set_attribute("lumigate.cache.similarity", found.similarity)
        if isinstance(found, Refusal):
            scope.facts.provider = found.provider
            raise found.to_error()
        if found is not None:
            count_savings(scope, found.entry)
        return found

    async def _search(self, scope: Scope, asked: Asked, lookup: Step) -> Found | Refusal | None:
        found = await self._look_in_memory(scope, asked, lookup)
        if found is not None:
            return found
        if self._wait_ns and not self.flights.take(asked.key, scope.facts, scope.clock.now_ns()):
            # Whoever waited in vain goes on alone: what is below has been looked at already.
            return await self._follow(scope, asked, lookup)
        found = await self.look_below(scope, asked, lookup)
        if found is None and asked.near is not None:
            found = await self.near.find(scope, asked, lookup, self._read_near)
        if found is not None:
            self.flights.release(asked.key, scope.facts)
        return found

    async def _look_in_memory(self, scope: Scope, asked: Asked, lookup: Step) -> Found | Refusal | None:
        now_ns = scope.clock.now_ns()
        with scope.step("cache.l1", parent=lookup.span) as step:
            if (refusal := self.refusals.get(asked.key, now_ns)) is not None:
                record_lookup(scope, step, L1, HIT)
                return refusal
            result, entry = self.memory.get(self._memory_key(asked), now_ns)
            if entry is not None:
                await self.marks.settle(scope, asked.namespace)
                verdict = self._judge(asked, entry, now_ns, L1)
                result, entry = verdict.result, verdict.entry
            record_lookup(scope, step, L1, result)
        count_evictions(scope, self.memory)
        return None if entry is None else Found(entry=entry, tier=L1, kind=result)

    async def _follow(self, scope: Scope, asked: Asked, lookup: Step) -> Found | Refusal | None:
        """Wait for whoever asks already, by looking at memory and nothing else."""
        started_ns, pause = scope.clock.now_ns(), _FIRST_POLL_SECONDS
        with scope.step("cache.wait", parent=lookup.span) as step:
            ending = "timeout"
            found: Found | Refusal | None = None
            while scope.clock.now_ns() - started_ns < self._wait_ns:
                await scope.clock.sleep(pause)
                pause = min(1.4 * pause, _LONGEST_POLL_SECONDS)
                if scope.facts.finished:  # the client left while we waited
                    raise ClientGone
                now_ns = scope.clock.now_ns()
                scope.facts.last_active_ns = now_ns
                if (found := self.refusals.get(asked.key, now_ns)) is not None:
                    ending = "answered"
                    break
                entry = self.memory.peek(self._memory_key(asked), now_ns)
                if entry is not None:
                    verdict = self._judge(asked, entry, now_ns, L1)
                    if verdict.entry is not None:
                        ending, found = "answered", Found(entry=verdict.entry, tier=L1, kind=verdict.result)
                        break
                if self.flights.take(asked.key, scope.facts, now_ns):
                    ending = "took_over"  # who asked before has failed, or may not keep its answer
                    break
            step.span.set_attribute("lumigate.cache.wait", ending)
            scope.instruments.cache_waits.add(1, {"lumigate.cache.wait": ending})
        return found

    async def look_below(
        self, scope: Scope, asked: Asked, lookup: Step, *, fresh_only: bool = False
    ) -> Found | None:
        """The answer from KV or R2, moved up."""
        tiers = [*self._bound(scope.ports)]
        if not tiers:
            return None
        settled = False
        for number, tier in enumerate(tiers):
            with scope.step(f"cache.{tier.name}", parent=lookup.span) as step:
                if number == 0 and self.marks.must_be_read(scope, asked.namespace):
                    (result, entry), settled = await asyncio.gather(
                        tier.read(scope, asked.namespace, asked.key, step),
                        self.marks.settle(scope, asked.namespace),
                    )
                else:
                    if number == 0:  # nothing to wait for, so no tasks to wait with
                        settled = await self.marks.settle(scope, asked.namespace)
                    result, entry = await tier.read(scope, asked.namespace, asked.key, step)
                if entry is not None and not settled:
                    # Nothing is known of purges, and one that is overlooked is worse than a miss.
                    result, entry = ERROR, None
                if entry is not None:
                    verdict = self._judge(asked, entry, scope.clock.now_ns(), tier.name)
                    result, entry = verdict.result, verdict.entry
                record_lookup(scope, step, tier.name, result)
            if entry is not None and not (fresh_only and result == STALE):
                self._promote(scope, asked, entry, tier.name)
                return Found(entry=entry, tier=tier.name, kind=result)
        return None

    async def _read_near(
        self, scope: Scope, asked: Asked, key: str, lookup: Step, near: float
    ) -> Found | None:
        """The entry under the key of a request that is near this one, if it is fresh."""
        tier, entry = L1, self.memory.peek(store_key(asked.namespace, key), scope.clock.now_ns())
        with scope.step("cache.near", parent=lookup.span) as step:
            if entry is None:
                tier = L2
                _, entry = await self.lower[0].read(scope, asked.namespace, key, step)
            now_ns = scope.clock.now_ns()
            good = (
                entry is not None
                and not self.marks.is_purged(asked.namespace, key, entry)
                and entry.is_fresh(now_ns)
                and asked.ruling.accepts(entry.age_seconds(now_ns), is_fresh=True)
            )
            record_lookup(scope, step, tier, "near" if good else MISS)
            step.span.set_attribute("lumigate.cache.similarity", near)
        if entry is None or not good:
            return None
        return Found(entry=entry, tier=tier, kind="near", similarity=near)

    def _judge(self, asked: Asked, entry: Entry, now_ns: int, tier: str) -> _Verdict:
        if self.marks.is_purged(asked.namespace, asked.key, entry):
            if tier == L1:
                self.memory.remove(self._memory_key(asked))
            return _Verdict(result=MISS)
        fresh = entry.is_fresh(now_ns)
        if not asked.ruling.accepts(entry.age_seconds(now_ns), is_fresh=fresh):
            return _Verdict(result=EXPIRED)
        if fresh:
            return _Verdict(result=HIT, entry=entry)
        late_ns = now_ns - entry.fresh_ns
        if late_ns < asked.rules.stale_while_revalidate_seconds * _SECOND:
            return _Verdict(result=STALE, entry=entry)
        if late_ns < asked.rules.stale_if_error_seconds * _SECOND and (
            asked.fallback is None or entry.fresh_ns > asked.fallback.entry.fresh_ns
        ):
            asked.fallback = Found(entry=entry, tier=tier, kind=STALE)
        return _Verdict(result=EXPIRED)

    def drop_purged(self) -> int:
        """Take out of memory what a purge that has just been made means; how many entries."""
        self.refusals.clear()

        def dead(place: str, entry: Entry) -> bool:
            _, namespace_hash, key = place.split("/")
            return self.marks.is_purged_at(namespace_hash, key, entry)

        return self.memory.remove_where(dead)

    # --- keeping ----------------------------------------------------------------------------------------------------

    def store(self, scope: Scope, asked: Asked, entry: Entry) -> None:
        """Keep a complete answer: at once in memory, in the background below."""
        self._put_in_memory(scope, asked, entry)
        self.flights.release(asked.key, scope.facts)
        if entry.size > asked.rules.max_entry_bytes:
            for tier in self._bound(scope.ports):
                record_write(scope, tier.name, REFUSED)
            return
        if any(self._bound(scope.ports)) or asked.near is not None:
            scope.background(self._write_below, scope, asked, entry)

    def refuse(self, scope: Scope, asked: Asked, error: UpstreamRefused) -> None:
        """Remember for seconds that the provider found fault with the request."""
        if asked.rules.negative_seconds and asked.ruling.writes:
            until_ns = scope.clock.now_ns() + asked.rules.negative_seconds * _SECOND
            self.refusals.keep(asked.key, scope.facts.provider, error, until_ns=until_ns)
        self.flights.release(asked.key, scope.facts)

    def _bound(self, ports: Ports) -> Iterator[LowerTier]:
        return (tier for tier in self.lower if has_store(tier.name, ports))

    async def _write_below(self, scope: Scope, asked: Asked, entry: Entry) -> None:
        # One after the other: nobody waits, a task each would cost more than the writing, and it is packed once.
        packed: bytes | None = None
        for tier in self._bound(scope.ports):
            if packed is None:
                with suppress(Exception):  # what cannot be packed is for the tier to fail at, and to count
                    packed = await tier.pack(scope, asked.namespace, entry)
            ttl_seconds = _ttl(asked.rules, tier.name, entry, scope)
            await tier.write(scope, asked.namespace, asked.key, entry, ttl_seconds, packed=packed)
        if asked.near is not None:
            await self.near.learn(scope, asked, entry)

    def _promote(self, scope: Scope, asked: Asked, entry: Entry, tier: str) -> None:
        """Move a hit up: into memory now, which is no work, and from R2 into KV in the background."""
        self._put_in_memory(scope, asked, entry)
        scope.instruments.cache_promotions.add(1, {"lumigate.cache.tier": tier})
        kv = self.lower[0]
        if tier == L3 and has_store(L2, scope.ports) and entry.size <= asked.rules.max_entry_bytes:
            ttl_seconds = _ttl(asked.rules, L2, entry, scope)
            scope.background(kv.write, scope, asked.namespace, asked.key, entry, ttl_seconds)

    def _put_in_memory(self, scope: Scope, asked: Asked, entry: Entry) -> None:
        stored = self.memory.put(
            self._memory_key(asked), entry, scope.clock.now_ns(), asked.rules.l1_ttl_seconds
        )
        record_write(scope, L1, STORED if stored else REFUSED)
        if stored:
            flow = {"lumigate.cache.tier": L1, "lumigate.cache.flow": "written"}
            scope.instruments.cache_bytes.add(entry.size, flow)
        count_evictions(scope, self.memory)

    def _memory_key(self, asked: Asked) -> str:
        return store_key(asked.namespace, asked.key)


def _ttl(rules: CacheRules, tier: str, entry: Entry, scope: Scope) -> int:
    """How long a tier keeps an entry: its own time, or what is left of the entry's, whichever is shorter."""
    own = rules.l2_ttl_seconds if tier == L2 else rules.l3_ttl_seconds
    left = -(-(entry.expires_ns - scope.clock.now_ns()) // _SECOND)
    return max(1, min(own if tier == L2 else left, left))
