"""What keeps things: by key, as objects, by the likeness of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class KeyValue(Protocol):
    """An eventually consistent store with expiry (Workers KV). Keys: at most 512 bytes; values: at most 25 MiB."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        """Store for `ttl_seconds` (at least 60, KV's floor)."""
        ...

    async def delete(self, key: str) -> None: ...

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        """A page of the keys that begin with `prefix`, in order, and where the next one begins, if there is one."""
        ...


class BlobStore(Protocol):
    """A strongly consistent object store (R2)."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes) -> None: ...

    async def delete(self, key: str) -> None: ...

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        """A page of the keys that begin with `prefix`, in order, and where the next one begins, if there is one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorMatch:
    """A vector that is near another, and what was put beside it."""

    id: str
    values: Sequence[float]
    metadata: Mapping[str, Any]


class VectorIndex(Protocol):
    """Vectors of one length, found by the cosine (Vectorize); what is written is seen after seconds.

    At most 1,536 numbers; an id and a namespace of 1 to 64 bytes; 10 KiB of metadata. Raises for anything else.
    """

    async def nearest(
        self, values: Sequence[float], *, namespace: str, where: Mapping[str, str], limit: int
    ) -> Sequence[VectorMatch]:
        """The nearest in the namespace whose metadata say the same as `where`; `limit` is at most 20."""
        ...

    async def put(
        self, id: str, values: Sequence[float], *, namespace: str, metadata: Mapping[str, str | int]
    ) -> None:
        """Keep a vector, in place of the one that had this id."""
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete at most 1,000; those that are not there are passed over."""
        ...
