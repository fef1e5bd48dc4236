"""Requests in and responses out of a Worker.

A hang-up is learnt from the request's own `signal` (compatibility flag `enable_request_signal`) and from nothing else:
a pump whose client has left never wakes again, so whatever it meant to report must be reported by the listener. And
what waits for a promise that never settles is kept for good, with all that it has in hand, because Pyodide lets go of
an awaiter only when the promise calls it: so the listener also cancels the task that serves the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import js
from pyodide.ffi import JsException, create_once_callable, to_js

from lumigate.http.types import Disconnect, Request, Response
from lumigate.platform.workers.headers import read_headers

NULL_BODY_STATUSES = frozenset({101, 204, 205, 304})


def read_request(raw: Any, disconnect: Disconnect) -> Request:
    """A JavaScript `Request` as the application's own; its headers are read here, once."""
    url = urlsplit(raw.url)
    headers: dict[str, str] = read_headers(raw.headers)
    cf = raw.cf

    async def read_body(limit_bytes: int) -> bytes | None:
        return await _read_body(raw, headers, limit_bytes)

    return Request(
        method=str(raw.method),
        path=url.path,
        query=url.query,
        scheme=url.scheme,
        headers=headers,
        read_body=read_body,
        client_address=headers.get("cf-connecting-ip", ""),
        country=_text(cf, "country"),
        colo=_text(cf, "colo"),
        disconnect=disconnect,
    )


def _text(cf: Any, name: str) -> str:
    value = getattr(cf, name, None)
    return value if isinstance(value, str) else ""


async def _read_body(raw: Any, headers: dict[str, str], limit_bytes: int) -> bytes | None:
    if not raw.body:  # null
        return b""
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 19:
        # The runtime holds the sender to the length it declared.
        if int(declared) > limit_bytes:
            return None
        return bytes((await raw.arrayBuffer()).to_bytes())
    reader = raw.body.getReader()
    parts = bytearray()
    while True:
        result = await reader.read()
        if result.done:
            return bytes(parts)
        parts += result.value.to_bytes()
        if len(parts) > limit_bytes:
            await reader.cancel()
            return None


class HangUp:
    """Fires `disconnect` when the client leaves, and cancels what works for it; that is whoever makes one of these.

    `close` must be called once the answer is out.
    """

    def __init__(self, raw: Any, disconnect: Disconnect, ctx: Any) -> None:
        self._disconnect = disconnect
        self._ctx = ctx
        self._task = asyncio.current_task()
        self._signal = raw.signal
        self._listener: Any = None
        if not self._signal:
            return
        if self._signal.aborted:  # it left before there was anybody to tell
            disconnect.fire()
            return
        self._listener = create_once_callable(self._fire)
        self._signal.addEventListener("abort", self._listener)

    @property
    def fired(self) -> bool:
        return self._disconnect.fired

    def take_over(self) -> None:
        """From now on the task that runs now is what works for the client. Raises `CancelledError` if it has left."""
        self._task = asyncio.current_task()
        if self.fired:
            raise asyncio.CancelledError

    def _fire(self, *_event: Any) -> None:
        self._listener = None  # a once-callable destroys itself when called
        self._disconnect.fire()
        if self._task is not None:
            self._task.cancel()
            # Unwinding takes turns of the loop, which there are only as long as something is waited for.
            self._ctx.waitUntil(_end_of(self._task))

    def close(self) -> None:
        self._task = None
        if self._listener is not None:
            self._signal.removeEventListener("abort", self._listener)
            self._listener.destroy()
            self._listener = None


async def _end_of(task: asyncio.Task[Any]) -> None:
    await asyncio.wait([task])


def write_response(response: Response, ctx: Any, hang_up: HangUp) -> Any:
    """The application's answer as a JavaScript `Response`; a streamed body is pumped in `waitUntil`."""
    headers = to_js(response.headers, dict_converter=js.Object.fromEntries)
    body = response.body
    if isinstance(body, bytes):
        hang_up.close()
        content = to_js(body) if body and response.status not in NULL_BODY_STATUSES else None
        # With a content encoding of our own the runtime must not encode once more.
        encode = "manual" if "content-encoding" in response.headers else "automatic"
        return js.Response.new(content, status=response.status, headers=headers, encodeBody=encode)
    stream = js.TransformStream.new()
    ctx.waitUntil(_pump(body, stream.writable.getWriter(), hang_up))
    return js.Response.new(stream.readable, status=response.status, headers=headers)


async def _pump(body: AsyncIterator[bytes], writer: Any, hang_up: HangUp) -> None:
    """Copy a streamed body, until the client leaves.

    Where it does not get to the end (a write that is refused, a defect), the body is closed here and now, because
    nothing else would in this request; and the client sees a connection that breaks, not one that waits.
    """
    try:
        hang_up.take_over()
        write = writer.write  # found once: a foreign call fewer for every chunk
        async for chunk in body:
            await write(to_js(chunk))
        await writer.close()
    except asyncio.CancelledError:
        if not hang_up.fired:
            raise
        await _close(body)  # nothing of the stream settles any more, so none of it is waited for
    except Exception:
        await _close(body)
        with suppress(JsException):  # it has failed already
            await writer.abort(js.Error.new("the body ended early"))
        raise
    finally:
        hang_up.close()


async def _close(body: AsyncIterator[bytes]) -> None:
    if isinstance(body, AsyncGenerator):
        await body.aclose()
