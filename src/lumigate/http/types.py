"""Requests and responses as the application sees them: plain data, no platform.

Header names are lower case. A body is read at most once and never beyond a bound. A streamed response is an
`AsyncIterator` that the platform drains; when the client leaves, the platform fires the request's `disconnect`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Disconnect:
    """Tells, once, that the client has gone. The platform fires it; callbacks run at once and must not block."""

    __slots__ = ("_callbacks", "fired")

    def __init__(self) -> None:
        self.fired = False
        self._callbacks: list[Callable[[], None]] = []

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the client goes; at once if it has gone already."""
        if self.fired:
            callback()
        else:
            self._callbacks.append(callback)

    def unsubscribe(self, callback: Callable[[], None]) -> None:
        """Forget a callback: who has been served is no longer interested, and a request that it keeps is not freed."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def fire(self) -> None:
        if self.fired:
            return
        self.fired = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


type ReadBody = Callable[[int], Awaitable[bytes | None]]
"""Reads the whole body; None if it is longer than the given number of bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One incoming request. `path` is percent-encoded as received, without the query."""

    method: str
    path: str
    query: str = ""
    scheme: str = "https"
    headers: Mapping[str, str]
    read_body: ReadBody
    client_address: str = ""
    country: str = ""
    colo: str = ""
    disconnect: Disconnect = field(default_factory=Disconnect)


@dataclass(slots=True, kw_only=True)
class Response:
    """One answer. `headers` may be added to until it is handed to the platform."""

    status: int
    headers: dict[str, str]
    body: bytes | AsyncIterator[bytes] = b""


def json_response(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with `content` as compact UTF-8 JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(status=status, headers={"content-type": "application/json", **(headers or {})}, body=body)
