"""A small HTTP/1.1 server that can also misbehave: reset a connection, stop half way, send nonsense.

Rules: one connection handles one request at a time, in order; a handler writes straight to the socket; when
the client leaves, the handler's task is cancelled and the departure is counted. For the loopback only.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httptools

logger = logging.getLogger(__name__)

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True, kw_only=True)
class WireRequest:
    """One request, fully read. Header names are lower case; a repeated header keeps its last value."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    left_early: bool = False
    """The client closed before the answer was complete."""


class Exchange:
    """The answer to one request, written in whatever shape the handler wants, right or wrong."""

    __slots__ = ("_keep_alive", "_transport", "_writable", "finished")

    def __init__(self, transport: asyncio.Transport, writable: asyncio.Event, *, keep_alive: bool) -> None:
        self._transport = transport
        self._writable = writable
        self._keep_alive = keep_alive
        self.finished = False

    def respond(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole answer."""
        head = self._head(status, content_type, headers)
        self._transport.write(b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body))
        self._done()

    def start(self, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of a chunked answer."""
        head = self._head(status, content_type, headers)
        self._transport.write(head + b"transfer-encoding: chunked\r\n\r\n")

    async def write(self, data: bytes) -> None:
        """Send one chunk; waits while the client reads slowly."""
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))
        if self._transport.is_closing():
            await asyncio.sleep(0)  # the client has gone: the turn in which that is noticed
        elif not self._writable.is_set():
            await self._writable.wait()

    def end(self) -> None:
        """Finish a chunked answer."""
        self._transport.write(b"0\r\n\r\n")
        self._done()

    def raw(self, data: bytes) -> None:
        """Send bytes that need not be HTTP."""
        self._transport.write(data)

    def close(self) -> None:
        """Close without finishing: what was written arrives, then the connection ends."""
        self.finished = True
        self._transport.close()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        self.finished = True
        descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _head(self, status: int, content_type: str, headers: Mapping[str, str] | None) -> bytes:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}", f"content-type: {content_type}"]
        if headers:
            lines.extend(f"{name}: {value}" for name, value in headers.items())
        if not self._keep_alive:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n").encode("latin-1")

    def _done(self) -> None:
        self.finished = True
        if not self._keep_alive:
            self._transport.close()


type Handler = Callable[[WireRequest, Exchange], Awaitable[None]]


@dataclass(slots=True)
class WireCounts:
    """What the server has seen. `left_early` counts clients that closed before their answer was complete."""

    connections: int = 0
    requests: int = 0
    left_early: int = 0
    open_requests: int = 0


class WireServer:
    """Serves `handler` on 127.0.0.1. An async context manager; port 0 chooses a free one."""

    def __init__(self, handler: Handler, *, port: int = 0) -> None:
        self.counts = WireCounts()
        self._handler = handler
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def port(self) -> int:
        assert self._server is not None, "the server has not been started"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> WireServer:
        loop = asyncio.get_running_loop()

        def connection() -> _Connection:
            return _Connection(self._handler, self.counts, self._connections)

        self._server = await loop.create_server(connection, "127.0.0.1", self._port, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [connection.abort() for connection in list(self._connections)]
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
        await self._server.wait_closed()


@dataclass(slots=True, eq=False)
class _Connection(asyncio.Protocol):
    handler: Handler
    counts: WireCounts
    registry: set[_Connection]
    _transport: asyncio.Transport | None = None
    _parser: Any = None
    _url: bytes = b""
    _headers: dict[str, str] = field(default_factory=dict)
    _body: list[bytes] = field(default_factory=list)
    _waiting: deque[tuple[WireRequest, bool]] = field(default_factory=deque)
    _task: asyncio.Task[None] | None = None
    _writable: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._parser = httptools.HttpRequestParser(self)
        self._writable.set()
        self.counts.connections += 1
        self.registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.registry.discard(self)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> asyncio.Task[None] | None:
        """Drop the connection at shutdown; returns the handler's task if one is at work."""
        assert self._transport is not None
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            assert self._transport is not None
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            self._transport.close()

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = WireRequest(
            method=self._parser.get_method().decode("ascii"),
            path=self._url.decode("latin-1"),
            headers=self._headers,
            body=b"".join(self._body),
        )
        keep_alive = self._parser.should_keep_alive()
        self._url, self._headers, self._body = b"", {}, []
        if self._task is None:
            self._begin(request, keep_alive)
        else:
            self._waiting.append((request, keep_alive))

    def _begin(self, request: WireRequest, keep_alive: bool) -> None:
        self._task = asyncio.get_running_loop().create_task(self._serve(request, keep_alive))

    async def _serve(self, request: WireRequest, keep_alive: bool) -> None:
        assert self._transport is not None
        exchange = Exchange(self._transport, self._writable, keep_alive=keep_alive)
        self.counts.requests += 1
        self.counts.open_requests += 1
        try:
            await self.handler(request, exchange)
        except asyncio.CancelledError:
            if not exchange.finished:
                self.counts.left_early += 1
                request.left_early = True
            raise
        except Exception:
            logger.exception("the mock's handler failed on %s %s", request.method, request.path)
            exchange.close()
        finally:
            self.counts.open_requests -= 1
            self._task = None
        if self._waiting and not self._transport.is_closing():
            self._begin(*self._waiting.popleft())
