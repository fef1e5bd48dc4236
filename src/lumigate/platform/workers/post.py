"""The telemetry engine's `Post` port over the runtime's `fetch`. Needs nothing of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from lumigate.platform.workers.abort import Abort
from lumigate.platform.workers.headers import read_headers
from lumigate.telemetry.host import PostError, PostResult

_ANSWER_BYTES = 64 * 1024


async def post(url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> PostResult:
    """The telemetry engine's `Post` port: one timeout over the whole exchange."""
    abort = Abort()
    abort.arm(timeout_seconds)
    try:
        response = await js.fetch(
            url,
            method="POST",
            headers=to_js(dict(headers), dict_converter=js.Object.fromEntries),
            body=to_js(body),
            redirect="manual",
            signal=abort.signal,
        )
        answer = await _read_at_most(response, _ANSWER_BYTES)
        return PostResult(
            status=int(response.status),
            headers=read_headers(response.headers),
            body=answer,
        )
    except JsException as error:
        raise PostError("timeout" if abort.fired else "connection", error.name) from None
    except BaseException:
        # Cancelled, or an answer that cannot be read: the connection is one of six.
        abort.now()
        raise
    finally:
        abort.disarm()


async def _read_at_most(response: Any, limit_bytes: int) -> bytes:
    """The first bytes of an answer; the rest is dropped, connection and all."""
    if not response.body:
        return b""
    reader = response.body.getReader()
    parts = bytearray()
    while len(parts) < limit_bytes:
        result = await reader.read()
        if result.done:
            return bytes(parts)
        parts += result.value.to_bytes()
    await reader.cancel()
    return bytes(parts[:limit_bytes])
