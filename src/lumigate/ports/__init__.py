"""Everything the application asks of the platform under it, as small protocols.

Two sets of adapters exist: `lumigate.platform.workers` (Cloudflare) and `local.runtime` (one CPython process). A
`Ports` belongs to one request: on Workers, I/O that one request began must not be touched by another, so nothing
taken from here is kept beyond the request, apart from imported keys, which are data. What keeps things is in `stores`,
Durable Objects are in `objects`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from lumigate.ports.objects import CounterShard, Ledger, SessionIndex, SessionObject
from lumigate.ports.stores import BlobStore, KeyValue, VectorIndex, VectorMatch
from lumigate.privacy.sealing import Aead
from lumigate.telemetry.host import Background, Clock, Entropy, Post

__all__ = [
    "Aead",
    "Background",
    "BlobStore",
    "Clock",
    "Console",
    "CounterShard",
    "Crypto",
    "DataPoints",
    "Entropy",
    "Fetch",
    "FetchError",
    "FetchResponse",
    "KeyValue",
    "Ledger",
    "ModelBinding",
    "Ports",
    "Post",
    "RateLimit",
    "SessionIndex",
    "SessionObject",
    "StreamInterrupted",
    "Timeout",
    "VectorIndex",
    "VectorMatch",
    "VerifyKey",
]


class FetchError(Exception):
    """No answer came. `reason` is low in cardinality: `timeout` or `connection`."""

    def __init__(self, reason: Literal["timeout", "connection"], detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Literal["timeout", "connection"] = reason


class StreamInterrupted(FetchError):
    """An answer began and then stopped: reset, or silent for longer than the idle timeout."""


class FetchResponse(Protocol):
    """An answer whose body has not been read yet. Either `read` or `chunks` is used, once."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Header names in lower case."""
        ...

    async def read(self, limit_bytes: int) -> bytes | None:
        """The whole body, or None (and the connection dropped) if it is longer than `limit_bytes`.

        Raises `StreamInterrupted`.
        """
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `StreamInterrupted` from the iteration."""
        ...

    def cancel(self) -> None:
        """Drop the connection. Safe at any time and more than once; a read in progress ends or raises."""
        ...


class Fetch(Protocol):
    """An HTTP client. Follows no redirects; raises `FetchError` when no answer comes."""

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_seconds: float,
        idle_timeout_seconds: float,
    ) -> FetchResponse:
        """Send; return once the status and headers are there.

        `timeout_seconds` bounds the wait for the headers, `idle_timeout_seconds` every wait for more of the body.
        """
        ...


class ModelBinding(Protocol):
    """Models of the platform itself (Workers AI)."""

    async def run(
        self, model: str, body: bytes, *, timeout_seconds: float, idle_timeout_seconds: float
    ) -> FetchResponse:
        """Put a request (JSON) to a model. Raises `FetchError` when no answer comes."""
        ...


class DataPoints(Protocol):
    """Analytics Engine: fire and forget, at most 20 blobs (16,000 bytes together), 20 doubles, an index of 96 bytes."""

    def write(self, *, index: str, blobs: Sequence[str], doubles: Sequence[float]) -> None: ...


class RateLimit(Protocol):
    """A coarse first wall: per location, eventually consistent, fit for abuse and not for budgets."""

    async def allow(self, key: str) -> bool: ...


class VerifyKey(Protocol):
    """An imported public key; opaque, and data: it may outlive the request that imported it."""


class Crypto(Protocol):
    """Signature checks (WebCrypto on Workers). Algorithm names are JOSE's (RFC 7518, section 3.1)."""

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> VerifyKey:
        """A key for `algorithm` from a JSON Web Key. Raises `ValueError` if it is not one."""
        ...

    async def verify(self, key: VerifyKey, signature: bytes, message: bytes) -> bool: ...


class Console(Protocol):
    """Where wide events go: one line of JSON each (Workers Logs, Logpush, standard output)."""

    def __call__(self, line: str, /) -> None: ...


class Timeout(Protocol):
    """Bounds a block: `async with timeout(seconds): …` raises `TimeoutError`, as `asyncio.timeout` does.

    A port, because a timer of Pyodide's own event loop cannot be taken back, and stays behind with its request.
    """

    def __call__(self, seconds: float, /) -> AbstractAsyncContextManager[Any]: ...


class Ports(Protocol):
    """All of the above, for one request. None where the deployment has no such binding."""

    @property
    def clock(self) -> Clock: ...
    @property
    def entropy(self) -> Entropy: ...
    @property
    def timeout(self) -> Timeout: ...
    @property
    def fetch(self) -> Fetch: ...
    @property
    def post(self) -> Post: ...
    @property
    def crypto(self) -> Crypto: ...
    @property
    def aead(self) -> Aead: ...
    @property
    def background(self) -> Background: ...
    @property
    def console(self) -> Console: ...
    @property
    def key_value(self) -> KeyValue | None: ...
    @property
    def blobs(self) -> BlobStore | None: ...
    @property
    def vectors(self) -> VectorIndex | None: ...
    @property
    def data_points(self) -> DataPoints | None: ...
    @property
    def rate_limit(self) -> RateLimit | None: ...
    @property
    def address_limit(self) -> RateLimit | None: ...
    @property
    def ai(self) -> ModelBinding | None: ...
    def shard(self, name: str) -> CounterShard | None:
        """The counter shard of that name."""
        ...

    def blobs_in(self, jurisdiction: str) -> BlobStore | None:
        """The object store that keeps everything within that jurisdiction (`eu`)."""
        ...

    # One name is another object in every jurisdiction; an empty one is wherever the platform likes.

    def session(self, name: str, jurisdiction: str = "") -> SessionObject | None:
        """The session of that object name, whether it has been created or not."""
        ...

    def session_index(self, owner: str, jurisdiction: str = "") -> SessionIndex | None:
        """The index of all sessions of that owner."""
        ...

    def ledger(self, tenant: str, jurisdiction: str = "") -> Ledger | None:
        """The ledger of that tenant."""
        ...
