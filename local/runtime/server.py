"""The ASGI application over a gateway, and the uvicorn that runs it.

It turns one HTTP exchange into `Gateway.handle(request, ports)` and back: headers in lower case, the path as it
was received, the body read only as far as asked, a stream passed on as it comes. When the client hangs up,
`request.disconnect` fires at once; what has not ended `CLOSING_SECONDS` later is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Protocol

import uvicorn

from local.runtime.wire import BoundedHeadProtocol
from lumigate.http.paths import shown_path
from lumigate.http.security import BASE_HEADERS
from lumigate.http.types import Disconnect, Request, Response, json_response
from lumigate.ports import Ports

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 5.0
_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]


class GatewayLike(Protocol):
    """What the server asks of a gateway."""

    async def handle(self, request: Request, ports: Ports, /) -> Response: ...

    async def scheduled(self, ports: Ports, /) -> None: ...

    async def flush(self, ports: Ports, /) -> None: ...


class GatewayApp:
    """The ASGI application. `country` and `colo` stand for what Cloudflare knows of a caller."""

    def __init__(self, gateway: GatewayLike, ports: Ports, *, country: str = "DE", colo: str = "FRA") -> None:
        self._gateway = gateway
        self._ports = ports
        self._country = country
        self._colo = colo

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "uvicorn runs without lifespan and without WebSockets"
        headers = _read_headers(scope["headers"])
        task = asyncio.current_task()
        assert task is not None
        incoming = _Incoming(headers, receive, task)
        client = scope.get("client")
        request = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            scheme=scope["scheme"],
            headers=headers,
            read_body=incoming.read_body,
            client_address=client[0] if client else "",
            country=headers.get("cf-ipcountry", self._country),
            colo=self._colo,
            disconnect=incoming.disconnect,
        )
        try:
            response = await self._handle(request)
            await _send_response(request, response, send)
        except asyncio.CancelledError:
            if not incoming.cut_off:
                raise
            logger.warning(
                "%s %s did not end after its client left: cancelled", request.method, shown_path(request.path)
            )
        finally:
            incoming.close()

    async def _handle(self, request: Request) -> Response:
        try:
            return await self._gateway.handle(request, self._ports)
        except Exception:
            logger.exception("the gateway raised, which it must never do")
            error = {
                "message": "Internal error.",
                "type": "server_error",
                "param": None,
                "code": "internal_error",
            }
            return json_response(500, {"error": error}, {"cache-control": "no-store", **BASE_HEADERS})


class _Incoming:
    """The receiving side of one exchange: the body first, then the news that the client has gone.

    That is `task`'s exchange, which is cancelled when it outlives its client for too long. What waits for the news is
    started where the body ends, since until then nothing can be heard.
    """

    __slots__ = ("_declared", "_read", "_receive", "_task", "_watcher", "cut_off", "disconnect")

    def __init__(self, headers: dict[str, str], receive: Receive, task: asyncio.Task[Any]) -> None:
        self.disconnect = Disconnect()
        self.cut_off = False
        self._receive = receive
        self._task = task
        self._declared = headers.get("content-length", "")
        self._read = False
        self._watcher: asyncio.Task[None] | None = None
        if self._declared in ("", "0") and "transfer-encoding" not in headers:
            self._body_is_over()

    def close(self) -> None:
        """The exchange has ended: nobody is interested any more."""
        if self._watcher is not None:
            self._watcher.cancel()

    def _body_is_over(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def read_body(self, limit: int) -> bytes | None:
        """The whole body, or None as soon as it is known to be longer than `limit`."""
        if self._read:
            raise RuntimeError("the body has been read already")
        self._read = True
        if self._watcher is not None:
            return b""
        if _is_longer(self._declared, limit):
            return None
        parts: list[bytes] = []
        length = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.disconnect.fire()
                return b"".join(parts)
            length += len(message["body"])
            if length > limit:
                return None
            parts.append(message["body"])
            if not message["more_body"]:
                self._body_is_over()
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _watch(self) -> None:
        """Fire `disconnect` when the client goes; later cancel the task if it has not ended by itself."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.disconnect.fire()
        await asyncio.sleep(CLOSING_SECONDS)
        self.cut_off = True
        self._task.cancel()


async def _send_response(request: Request, response: Response, send: Send) -> None:
    body = response.body
    headers = [(_header_name(name), _header_value(value)) for name, value in response.headers.items()]
    if isinstance(body, bytes):
        if "content-length" not in response.headers and response.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    try:
        if request.method != "HEAD":
            async for chunk in body:
                if request.disconnect.fired:
                    return
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Exception:
        # Not finishing the body is the only way left to tell the client: uvicorn closes the connection.
        level = logging.DEBUG if request.disconnect.fired else logging.ERROR
        logger.log(
            level, "the stream of %s %s broke", request.method, shown_path(request.path), exc_info=True
        )
        return
    finally:
        await _close(body)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _close(body: AsyncIterator[bytes]) -> None:
    if (aclose := getattr(body, "aclose", None)) is not None:
        try:
            await aclose()
        except Exception:
            logger.exception("closing a stream failed")


def _is_longer(declared: str, limit: int) -> bool:
    """Whether a `content-length` says more than `limit`. One of many digits may still say little: `000…5`."""
    digits = declared.lstrip("0") or "0"
    return digits.isascii() and digits.isdecimal() and (len(digits) > 18 or int(digits) > limit)


def _read_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1")
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


@functools.lru_cache(maxsize=512)
def _header_name(name: str) -> bytes:
    return _header_bytes(name.lower())


@functools.lru_cache(maxsize=512)
def _header_value(text: str) -> bytes:
    """Most answers say much the same."""
    return _header_bytes(text)


def _header_bytes(text: str) -> bytes:
    """`text` for the wire: what would end the header, or the connection, is left out."""
    encoded = text.encode("latin-1", "replace")
    return _UNSAFE.sub(b"", encoded) if _UNSAFE.search(encoded) else encoded


class Server:
    """Runs the application on a socket that is already bound; an async context manager."""

    def __init__(self, app: GatewayApp, listener: socket.socket, *, shutdown_seconds: int = 5) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHeadProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="critical",  # what goes wrong is logged here, in our own words
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=shutdown_seconds,
        )
        self._server = _QuietServer(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def __aenter__(self) -> Server:
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the server ended before it had started")
            await asyncio.sleep(0.001)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._server.should_exit = True
        await self._task
        self._listener.close()


class _QuietServer(uvicorn.Server):
    """Leaves the signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A listening socket, port 0 for any. Raises `OSError` where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
