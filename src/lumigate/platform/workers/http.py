"""Requests in and responses out of a Worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import js
from pyodide.ffi import JsException, to_js

from lumigate.http.types import Disconnect, Request, Response
from lumigate.platform.workers.hang_up import HangUp
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
