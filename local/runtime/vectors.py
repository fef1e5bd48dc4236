"""Vectorize in memory: every vector is compared, nothing is approximated. Refuses what Vectorize would.

Gone with the process, as far as near matches go a cold start; what is written is found at once.
"""

from __future__ import annotations

import json
from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sumprod

from lumigate.ports import VectorMatch

MAX_DIMENSIONS = 1536
MAX_ID_BYTES = 64
MAX_NAMESPACE_BYTES = 64
MAX_METADATA_BYTES = 10 * 1024
MAX_MATCHES = 20
"""With values or metadata; https://developers.cloudflare.com/vectorize/platform/limits/"""
MAX_BATCH = 1000
MAX_VECTORS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    values: array[float]
    namespace: str
    metadata: Mapping[str, str | int]


class MemoryVectors:
    """The adapter. Raises `ValueError` where Vectorize would refuse; the oldest vectors leave a full index."""

    def __init__(self, capacity: int = MAX_VECTORS) -> None:
        self._capacity = capacity
        self._stored: OrderedDict[str, _Stored] = OrderedDict()
        self._dimensions: int | None = None

    def __len__(self) -> int:
        return len(self._stored)

    def count(self, namespace: str) -> int:
        return sum(stored.namespace == namespace for stored in self._stored.values())

    async def nearest(
        self, values: Sequence[float], *, namespace: str, where: Mapping[str, str], limit: int
    ) -> Sequence[VectorMatch]:
        if not 1 <= limit <= MAX_MATCHES:
            raise ValueError(f"topK is {limit}; 1 to {MAX_MATCHES}")
        asked = self._checked(values)
        found = [
            (_cosine(asked, stored.values), id, stored)
            for id, stored in self._stored.items()
            if stored.namespace == namespace
            and all(stored.metadata.get(name) == value for name, value in where.items())
        ]
        found.sort(key=lambda each: -each[0])
        return [
            VectorMatch(id=id, values=stored.values, metadata=stored.metadata)
            for _, id, stored in found[:limit]
        ]

    async def put(
        self, id: str, values: Sequence[float], *, namespace: str, metadata: Mapping[str, str | int]
    ) -> None:
        _check_size("an id", id, MAX_ID_BYTES)
        _check_size("a namespace", namespace, MAX_NAMESPACE_BYTES)
        _check_size("metadata", json.dumps(dict(metadata)), MAX_METADATA_BYTES)
        stored = _Stored(values=self._checked(values), namespace=namespace, metadata=dict(metadata))
        self._dimensions = len(stored.values)
        self._stored.pop(id, None)
        self._stored[id] = stored
        while len(self._stored) > self._capacity:
            self._stored.popitem(last=False)

    async def delete(self, ids: Sequence[str]) -> None:
        if len(ids) > MAX_BATCH:
            raise ValueError(f"{len(ids)} ids; at most {MAX_BATCH}")
        for id in ids:
            self._stored.pop(id, None)

    def _checked(self, values: Sequence[float]) -> array[float]:
        """As Vectorize keeps them, in 32 bits. The first vector says how long all are."""
        wanted = self._dimensions
        if not 1 <= len(values) <= MAX_DIMENSIONS or (wanted is not None and len(values) != wanted):
            raise ValueError(f"a vector of {len(values)} numbers; {wanted or f'at most {MAX_DIMENSIONS}'}")
        if not all(map(isfinite, values)):
            raise ValueError("a vector holds what is no number")
        return array("f", values)


def _cosine(one: array[float], other: array[float]) -> float:
    length = (sumprod(one, one) * sumprod(other, other)) ** 0.5
    return sumprod(one, other) / length if length else 0.0


def _check_size(what: str, text: str, limit: int) -> None:
    size = len(text.encode("utf-8"))
    if not 1 <= size <= limit:
        raise ValueError(f"{what} of {size} bytes; 1 to {limit}")
