"""What the telemetry engine asks of the place it runs in.

Four small protocols and nothing else: the engine never imports a platform, opens no socket and reads no clock of its
own. A `Host` belongs to one request and is used only inside it, because on Workers I/O made by one request must not
be touched by another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Clock(Protocol):
    """The one source of time. On Workers it stands still between two pieces of I/O, and may be equal for many calls."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, on a timer that belongs to the calling request."""
        ...


class Entropy(Protocol):
    """Random bytes fit for keys. Never called while modules are imported."""

    def random_bytes(self, count: int) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PostResult:
    """What came back from a collector: status, headers in lower case, and at most the first 64 KiB of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Post(Protocol):
    """Send one HTTP POST. Follows no redirect, reads at most 64 KiB of the answer.

    Raises `PostError` when no answer came: refused, reset, name unknown, or later than `timeout_seconds` (which covers
    the whole exchange, headers and body).
    """

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> PostResult: ...


class PostError(Exception):
    """No answer came from a collector; `reason` is one of `timeout`, `connection`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Background(Protocol):
    """Let a coroutine finish after the response has gone out (`ctx.waitUntil`). Takes ownership of it."""

    def __call__(self, coroutine: Coroutine[Any, Any, Any], /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One request's means of doing I/O for the telemetry engine."""

    post: Post
    background: Background
    on_flush: Callable[[], Awaitable[None]] | None = None
    """Called within each flush that this request carries, beside the exports; how deltas reach the counter shard."""
