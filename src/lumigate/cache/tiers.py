"""The tiers together: isolate memory, then KV. A hit below moves up; a tier that fails is skipped and counted.

Writes below the first tier happen in the background, so a response never waits for one.
"""

from __future__ import annotations

from lumigate.cache.entry import Entry
from lumigate.cache.memory import MemoryTier
from lumigate.privacy.sealing import KeyRing, Purpose, Sealer
from lumigate.scope import Scope, Step, fail_span

L1, L2 = "l1", "l2"


class TieredCache:
    """One an isolate."""

    def __init__(
        self, *, l1_bytes: int, l1_ttl_seconds: float, l2_ttl_seconds: int, keys: KeyRing | None = None
    ) -> None:
        """With `keys`, what leaves memory is sealed for the tenant it belongs to."""
        self._keys = keys
        self._memory = MemoryTier(l1_bytes, l1_ttl_seconds)
        self._l2_ttl_seconds = l2_ttl_seconds

    def expires_ns(self, now_ns: int) -> int:
        """When an answer stored now is too old for any tier."""
        return now_ns + self._l2_ttl_seconds * 1_000_000_000

    async def lookup(self, scope: Scope, key: str) -> Entry | None:
        """The answer of that key from the fastest tier that has it; the facts say which."""
        with scope.step("cache.lookup") as lookup:
            entry, outcome = await self._search(scope, key, lookup)
            lookup.span.set_attributes({"lumigate.cache.outcome": outcome, "lumigate.cache.key": key[:16]})
        scope.facts.cache = outcome
        return entry

    async def _search(self, scope: Scope, key: str, lookup: Step) -> tuple[Entry | None, str]:
        with scope.step("cache.l1", parent=lookup.span) as step:
            result, entry = self._memory.get(key, scope.clock.now_ns())
            _record_lookup(scope, step, L1, result)
        if entry is not None:
            return entry, "hit-l1"
        if scope.ports.key_value is None:
            return None, "miss"
        with scope.step("cache.l2", parent=lookup.span) as step:
            result, entry = await self._read_l2(scope, key, step)
            _record_lookup(scope, step, L2, result)
        if entry is None:
            return None, "miss"
        self._put_l1(scope, key, entry)
        return entry, "hit-l2"

    async def _read_l2(self, scope: Scope, key: str, step: Step) -> tuple[str, Entry | None]:
        assert scope.ports.key_value is not None
        try:
            data = await scope.ports.key_value.get(key)
            if data is None:
                return "miss", None
            entry = Entry.from_bytes(await self._opened(scope, data))
        except Exception as error:  # a tier that fails, in whatever way, must not fail the request
            fail_span(step.span, error)
            return "error", None
        if scope.clock.now_ns() >= entry.expires_ns:
            return "expired", None
        return "hit", entry

    async def _opened(self, scope: Scope, data: bytes) -> bytes:
        if self._keys is None:
            return data
        sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
        return await sealer.open(data, tenant=scope.facts.tenant, purpose=Purpose.CACHED_ANSWER)

    async def _sealed(self, scope: Scope, data: bytes) -> bytes:
        if self._keys is None:
            return data
        sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
        return await sealer.seal(data, tenant=scope.facts.tenant, purpose=Purpose.CACHED_ANSWER)

    def store(self, scope: Scope, key: str, entry: Entry) -> None:
        """Keep a complete answer: at once in memory, in the background below."""
        self._put_l1(scope, key, entry)
        if scope.ports.key_value is not None:
            scope.ports.background(self._write_l2(scope, key, entry))

    def _put_l1(self, scope: Scope, key: str, entry: Entry) -> None:
        before = self._memory.evictions
        stored = self._memory.put(key, entry, scope.clock.now_ns())
        _record_write(scope, L1, "stored" if stored else "refused")
        if evicted := self._memory.evictions - before:
            scope.instruments.cache_evictions.add(evicted)

    async def _write_l2(self, scope: Scope, key: str, entry: Entry) -> None:
        assert scope.ports.key_value is not None
        try:
            data = await self._sealed(scope, entry.to_bytes())
            await scope.ports.key_value.put(key, data, ttl_seconds=self._l2_ttl_seconds)
        except Exception:  # in the background there is nobody to tell but the counter
            _record_write(scope, L2, "error")
        else:
            _record_write(scope, L2, "stored")


def _record_lookup(scope: Scope, step: Step, tier: str, result: str) -> None:
    labels = {"lumigate.cache.tier": tier, "lumigate.cache.result": result}
    step.span.set_attributes(labels)
    scope.instruments.cache_lookups.add(1, labels)
    scope.instruments.cache_duration.record(step.seconds, labels, span=step.span)


def _record_write(scope: Scope, tier: str, result: str) -> None:
    scope.instruments.cache_writes.add(1, {"lumigate.cache.tier": tier, "lumigate.cache.write": result})
