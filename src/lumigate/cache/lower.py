"""A tier below memory: KV or R2 behind one face, with a time budget, a breaker and sealed values.

A tier that errors, is slow or does not open is skipped and counted, and never fails a request. What is slow is given
up at the tier's budget; three failures in a row open its breaker, which is the isolate's own and plain data.
"""

from __future__ import annotations

from typing import Protocol

from lumigate.cache.counted_breaker import CountedBreaker
from lumigate.cache.entry import Entry
from lumigate.cache.key import store_key
from lumigate.cache.settings import KV_FLOOR_SECONDS
from lumigate.ports import BlobStore, KeyValue, Ports
from lumigate.privacy.sealing import KeyRing, Purpose, Sealer
from lumigate.scope import Scope, Step, fail_span

L1, L2, L3 = "l1", "l2", "l3"
HIT, MISS, EXPIRED, ERROR, SKIPPED = "hit", "miss", "expired", "error", "skipped"
STORED, REFUSED = "stored", "refused"


class Store(Protocol):
    """KV or R2, as far as the cache needs one."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, ttl_seconds: int) -> None: ...

    async def delete(self, key: str) -> None: ...


class _KeyValueStore:
    def __init__(self, port: KeyValue) -> None:
        self._port = port
        self.get = port.get
        self.delete = port.delete

    async def put(self, key: str, value: bytes, ttl_seconds: int) -> None:
        # Entries carry their own end, so a short one may lie there for longer.
        await self._port.put(key, value, ttl_seconds=max(KV_FLOOR_SECONDS, ttl_seconds))


class _BlobsStore:
    def __init__(self, port: BlobStore) -> None:
        self._port = port
        self.get = port.get
        self.delete = port.delete

    async def put(self, key: str, value: bytes, ttl_seconds: int) -> None:
        del ttl_seconds  # R2 has no expiry of its own: entries carry theirs, a lifecycle rule sweeps them up
        await self._port.put(key, value)


def store_of(tier: str, ports: Ports) -> Store | None:
    """The store behind a tier, where the deployment has one. It belongs to the request, as ports do."""
    if tier == L2:
        return None if ports.key_value is None else _KeyValueStore(ports.key_value)
    return None if ports.blobs is None else _BlobsStore(ports.blobs)


def has_store(tier: str, ports: Ports) -> bool:
    """Whether the deployment has a store for a tier."""
    return (ports.key_value if tier == L2 else ports.blobs) is not None


class LowerTier:
    """One tier of one isolate."""

    def __init__(self, name: str, *, budget_ms: float, keys: KeyRing | None) -> None:
        self.name = name
        self._budget_seconds = budget_ms / 1e3
        self._keys = keys
        self.breaker = CountedBreaker(name)

    async def read(self, scope: Scope, namespace: str, key: str, step: Step) -> tuple[str, Entry | None]:
        """What the tier says: a hit may be stale, which is for the caller to see."""
        store = store_of(self.name, scope.ports)
        if store is None:
            return MISS, None
        if not self.breaker.admits(scope):
            return SKIPPED, None
        try:
            async with scope.ports.timeout(self._budget_seconds):
                data = await store.get(store_key(namespace, key))
        except Exception as error:  # a tier that fails, in whatever way, must not fail the request
            fail_span(step.span, error)
            self.breaker.failed(scope)
            return ERROR, None
        self.breaker.succeeded(scope)
        if data is None:
            return MISS, None
        try:
            entry = Entry.from_bytes(await self._opened(scope, namespace, data))
        except Exception as error:  # junk, or sealed with a key that is gone: the tier itself is well
            fail_span(step.span, error)
            return ERROR, None
        scope.instruments.cache_bytes.add(
            len(data), {"lumigate.cache.tier": self.name, "lumigate.cache.flow": "read"}
        )
        return (EXPIRED, None) if scope.clock.now_ns() >= entry.expires_ns else (HIT, entry)

    async def write(
        self,
        scope: Scope,
        namespace: str,
        key: str,
        entry: Entry,
        ttl_seconds: int,
        *,
        packed: bytes | None = None,
    ) -> str:
        """Store an entry for that long. Raises nothing: in the background there is nobody to tell but a counter.

        `packed` is what `pack` makes of it, for whoever has it already.
        """
        store = store_of(self.name, scope.ports)
        if store is None or not self.breaker.admits(scope):
            return SKIPPED
        try:
            data = await self.pack(scope, namespace, entry) if packed is None else packed
            async with scope.ports.timeout(max(5.0, 4 * self._budget_seconds)):  # nobody waits for a write
                await store.put(store_key(namespace, key), data, ttl_seconds)
        except Exception:
            self.breaker.failed(scope)
            result = ERROR
        else:
            self.breaker.succeeded(scope)
            result = STORED
            scope.instruments.cache_bytes.add(
                len(data), {"lumigate.cache.tier": self.name, "lumigate.cache.flow": "written"}
            )
        scope.instruments.cache_writes.add(
            1, {"lumigate.cache.tier": self.name, "lumigate.cache.write": result}
        )
        return result

    # --- sealing ----------------------------------------------------------------------------------------------------

    async def _opened(self, scope: Scope, namespace: str, data: bytes) -> bytes:
        if self._keys is None:
            return data
        sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
        return await sealer.open(data, tenant=namespace, purpose=Purpose.CACHED_ANSWER)

    async def pack(self, scope: Scope, namespace: str, entry: Entry) -> bytes:
        """The entry as it is stored; alike in all tiers of an isolate."""
        data = entry.to_bytes()
        if self._keys is None:
            return data
        sealer = Sealer(self._keys, scope.ports.aead, scope.ports.entropy)
        return await sealer.seal(data, tenant=namespace, purpose=Purpose.CACHED_ANSWER)
