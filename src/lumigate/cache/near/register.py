"""Which vectors there are, as names in KV: an index of vectors can neither be listed nor expire (Vectorize).

A name holds the day on which its vector is of no more use, so that the days before today are the ones to sweep; the
vector's id holds that day as well, so that one that is learnt anew outlives the sweep of the one before.

    vectors/{day}/{tenant}/{key} → the vector {day}{key}, at most 64 bytes (Vectorize's limit)
"""

from __future__ import annotations

from collections.abc import Sequence

from lumigate.cache.key import short_hash
from lumigate.ports import KeyValue, VectorIndex

PREFIX = "vectors/"
A_CALL = 200
"""How many are deleted in one go: each name is a request of the platform, of which an invocation has a number."""
_ID_CHARS = 64
_DAY_CHARS = 6
_DAY_SECONDS = 86_400
_KEPT_DAYS = 30
"""How long a name outlives its vector, in case that nobody sweeps."""
_LATE_DAYS = 7
"""How far a sweep may be behind before an erasure leaves something for it."""


def vector_id(key: str, until_s: int) -> str:
    return _id(_day(until_s), key)


async def register(store: KeyValue, namespace: str, key: str, *, now_s: int, until_s: int) -> None:
    """Note a vector, before there is one. Raises whatever the store raises."""
    name = f"{PREFIX}{_day(until_s)}/{short_hash(namespace)}/{key}"
    ttl_seconds = max(0, until_s - now_s) + _KEPT_DAYS * _DAY_SECONDS
    await store.put(name, b"1", ttl_seconds=ttl_seconds)


async def sweep_vectors(store: KeyValue, index: VectorIndex, now_s: int) -> int:
    """Delete vectors of days that are over, the oldest first, some a call; how many."""
    names, _ = await store.names(PREFIX, limit=A_CALL, cursor=None)
    today = f"{PREFIX}{_day(now_s)}/"
    return await _delete(store, index, [name for name in names if name < today])


async def erase_vectors(
    store: KeyValue, index: VectorIndex, namespace: str, now_s: int, lifetime_s: int
) -> tuple[int, bool]:
    """Delete a namespace's vectors: how many, and whether there are more."""
    erased = 0
    for day in range(now_s // _DAY_SECONDS - _LATE_DAYS, (now_s + lifetime_s) // _DAY_SECONDS + 1):
        room = A_CALL - erased
        prefix = f"{PREFIX}{day:0{_DAY_CHARS}d}/{short_hash(namespace)}/"
        names, _ = await store.names(prefix, limit=room + 1, cursor=None)
        erased += await _delete(store, index, names[:room])
        if len(names) > room:
            return erased, True
    return erased, False


async def delete_vector(index: VectorIndex, key: str, now_s: int, lifetime_s: int) -> None:
    """Delete the vectors of one key, whatever day they lie under; the sweep takes their names."""
    days = range(now_s // _DAY_SECONDS, (now_s + lifetime_s) // _DAY_SECONDS + 1)
    await index.delete([_id(f"{day:0{_DAY_CHARS}d}", key) for day in days])


async def _delete(store: KeyValue, index: VectorIndex, names: Sequence[str]) -> int:
    if not names:
        return 0
    parts = [name.removeprefix(PREFIX).split("/") for name in names]
    await index.delete([_id(part[0], part[-1]) for part in parts])
    for name in names:  # afterwards: a name whose vector may still be there must not go
        await store.delete(name)
    return len(names)


def _day(seconds: int) -> str:
    return f"{seconds // _DAY_SECONDS:0{_DAY_CHARS}d}"


def _id(day: str, key: str) -> str:
    return (day + key)[:_ID_CHARS]
