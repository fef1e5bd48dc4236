"""Taking answers out before their time: by key, tenant, model or tag, or everything; and erasing what lies at rest.

A purge is a mark (`lumigate.cache.marks`): it costs the same however much it means, and from the moment it is seen
nothing older is served. What it means stays at rest, unread, until it expires. Erasing deletes it, by listing, some
hundred entries a call; it is for the right to be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lumigate.cache.key import short_hash, store_key, store_prefix
from lumigate.cache.lower import L2, L3
from lumigate.cache.marks import ALL, EVERYONE, KEY, MODEL, TAG, Stores, mark_of, write_mark
from lumigate.cache.near.register import delete_vector, erase_vectors
from lumigate.cache.settings import MAX_TTL_SECONDS
from lumigate.cache.tiers import TieredCache
from lumigate.ports import BlobStore, KeyValue
from lumigate.region import everywhere, outside
from lumigate.scope import Scope

ERASED_A_CALL = 200
"""Each deletion is a request of the platform, of which an invocation has a limited number."""
_MARGIN_SECONDS = 3600
_SECOND = 1_000_000_000
_VECTORS_SECONDS = MAX_TTL_SECONDS
"""As far ahead as a vector's day may be: it was written under the settings of its time, not under those of now."""
_COUNTED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to purge. Without a namespace it is meant for every tenant; a key needs one."""

    kind: str
    name: str = ""
    namespace: str | None = None

    @property
    def told_as(self) -> str:
        """The kind, in telemetry's words."""
        if self.kind != ALL:
            return self.kind
        return "all" if self.namespace is None else "tenant"


class Purger:
    """One an isolate."""

    def __init__(self, cache: TieredCache) -> None:
        self._cache = cache

    @property
    def seen_within_seconds(self) -> float:
        """How soon every isolate knows of a purge; KV's own minute comes on top."""
        return 2 * self._cache.settings.purge_seen_seconds

    async def purge(self, scope: Scope, target: Target) -> int:
        """Make the mark; how many entries left this isolate's memory. Raises whatever the store raises."""
        cache = self._cache
        now_ns, lifetime_seconds = scope.clock.now_ns(), self._lifetime_seconds()
        here, *regions = everywhere(scope)
        place, mark, epoch_ns = await purge_stores(
            here.ports, target, now_ns=now_ns, lifetime_seconds=lifetime_seconds
        )
        for region in regions:  # what lies there knows of nothing outside
            await purge_stores(region.ports, target, now_ns=now_ns, lifetime_seconds=lifetime_seconds)
        if target.kind == KEY and here.ports.vectors is not None:
            now_s = now_ns // _SECOND
            await delete_vector(here.ports.vectors, target.name, now_s, _VECTORS_SECONDS)
        cache.marks.add(place, mark, epoch_ns)
        scope.instruments.cache_purges.add(1, {"lumigate.cache.purge": target.told_as})
        return cache.drop_purged()

    async def erase(self, scope: Scope, namespace: str) -> tuple[int, bool]:
        """Purge a namespace and delete what lies at rest of it: how many entries, and whether there are more."""
        await self.purge(scope, Target(kind=ALL, namespace=namespace))
        scope.instruments.cache_purges.add(1, {"lumigate.cache.purge": "erase"})
        erased, more = 0, False
        for own in everywhere(scope):
            here, left = await erase_stores(own.ports, namespace)
            erased, more = erased + here, more or left
        return erased, await self._erase_vectors(scope, namespace) or more

    async def _erase_vectors(self, scope: Scope, namespace: str) -> bool:
        """Delete what a vector index has of a namespace, on or off as it may be by now; whether there is more."""
        ports = outside(scope.ports)
        if ports.vectors is None or ports.key_value is None:
            return False
        now_s = scope.clock.now_ns() // _SECOND
        _, more = await erase_vectors(ports.key_value, ports.vectors, namespace, now_s, _VECTORS_SECONDS)
        return more

    async def stats(self, scope: Scope, namespace: str | None) -> dict[str, Any]:
        """What this isolate knows, and with a namespace how much lies in the tiers below (counted to a thousand)."""
        cache, now_ns = self._cache, scope.clock.now_ns()
        told: dict[str, Any] = {
            "l1": {
                "entries": len(cache.memory),
                "bytes": cache.memory.bytes,
                "capacity_bytes": cache.memory.capacity_bytes,
            },
            "refusals": len(cache.refusals),
            "under_way": cache.flights.under_way(now_ns),
            "purge_marks": cache.marks.count(),
            "breakers": {tier.name: tier.breaker.state(now_ns) for tier in cache.lower},
        }
        if namespace is not None:
            for tier, store in ((L2, scope.ports.key_value), (L3, scope.ports.blobs)):
                if store is not None:
                    names, cursor = await store.names(store_prefix(namespace), limit=_COUNTED, cursor=None)
                    told[tier] = {"entries": len(names), "more": cursor is not None}
        return told

    def _lifetime_seconds(self) -> int:
        """Longer than anything lives that a mark of now can mean."""
        rules = (self._cache.settings.rules, *self._cache.settings.routes.values())
        longest = max(
            max(r.l1_ttl_seconds, r.l2_ttl_seconds, r.l3_ttl_seconds) + r.stale_seconds for r in rules
        )
        return longest + _MARGIN_SECONDS


async def purge_stores(
    ports: Stores, target: Target, *, now_ns: int, lifetime_seconds: int
) -> tuple[str, str, int]:
    """Make the mark of a purge, and delete what a key names; the mark's place, name and moment."""
    epoch_ns = now_ns // 1_000_000 * 1_000_000 + 999_999
    place = EVERYONE if target.namespace is None else target.namespace
    mark = mark_of(target.kind, target.name)
    await write_mark(ports, place, mark, epoch_ns, lifetime_seconds)
    if target.kind == KEY and target.namespace is not None:
        for store in _stores(ports):
            await store.delete(store_key(target.namespace, target.name))
    return place, mark, epoch_ns


async def erase_stores(ports: Stores, namespace: str) -> tuple[int, bool]:
    """Delete what lies at rest of a namespace: how many entries, and whether there are more."""
    erased = 0
    for store in _stores(ports):
        for prefix in (store_prefix(namespace), f"near/{short_hash(namespace)}/"):
            room = ERASED_A_CALL - erased
            names, _ = await store.names(prefix, limit=room + 1, cursor=None)
            for name in names[:room]:
                await store.delete(name)
            erased += min(len(names), room)
            if len(names) > room:
                return erased, True
    return erased, False


def _stores(ports: Stores) -> Sequence[KeyValue | BlobStore]:
    return [store for store in (ports.key_value, ports.blobs) if store is not None]


def target_of(*, namespace: str | None, key: str | None, model: str | None, tag: str | None) -> Target:
    """The one thing that is named beside the namespace; the whole namespace, or everything, where nothing is."""
    for kind, name in ((KEY, key), (MODEL, model), (TAG, tag)):
        if name is not None:
            return Target(kind=kind, name=name, namespace=namespace)
    return Target(kind=ALL, namespace=namespace)
