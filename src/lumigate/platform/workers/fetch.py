"""HTTP out of a Worker, over the runtime's own `fetch`.

Timeouts are JavaScript timers that abort the request; they hold no Python object, so re-arming one for every chunk of a
stream costs two foreign calls and leaks nothing. The abort's reason is an `Error`, because a promise rejected with
anything else would hang its Python awaiter for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from lumigate.ports import FetchError, FetchResponse, StreamInterrupted
from lumigate.telemetry.host import PostError, PostResult

_POST_ANSWER_BYTES = 64 * 1024


class _Abort:
    """A request's one abort controller, with a timer that may be re-armed."""

    __slots__ = ("_abort", "_controller", "_reason", "_timer")

    def __init__(self) -> None:
        self._controller = js.AbortController.new()
        self._abort = self._controller.abort.bind(self._controller)
        self._reason = js.Error.new("aborted by the gateway")
        self._timer: Any = None

    @property
    def signal(self) -> Any:
        return self._controller.signal

    @property
    def fired(self) -> bool:
        return bool(self._controller.signal.aborted)

    def arm(self, seconds: float) -> None:
        self.disarm()
        self._timer = js.setTimeout(self._abort, seconds * 1000, self._reason)

    def disarm(self) -> None:
        if self._timer is not None:
            js.clearTimeout(self._timer)
            self._timer = None

    def now(self) -> None:
        self.disarm()
        self._controller.abort(self._reason)


async def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    timeout_seconds: float,
    idle_timeout_seconds: float,
) -> FetchResponse:
    """The `Fetch` port."""
    abort = _Abort()
    abort.arm(timeout_seconds)
    options: dict[str, Any] = {
        "method": method,
        "headers": to_js(dict(headers), dict_converter=js.Object.fromEntries),
        "redirect": "manual",
        "signal": abort.signal,
    }
    if body is not None:
        options["body"] = to_js(body)
    try:
        response = await js.fetch(url, **options)
    except JsException as error:
        raise FetchError("timeout" if abort.fired else "connection", error.name) from None
    except BaseException:
        # Cancelled (the loser of a hedge, a client that left): nobody will read the answer.
        abort.now()
        raise
    finally:
        abort.disarm()
    return WorkersFetchResponse(response, abort, idle_timeout_seconds)


class WorkersFetchResponse:
    """An answer whose body is a JavaScript stream."""

    def __init__(self, response: Any, abort: _Abort, idle_timeout_seconds: float) -> None:
        self._response = response
        self._abort = abort
        self._idle_timeout_seconds = idle_timeout_seconds
        self._cancelled = False
        self.status = int(response.status)
        self.headers: Mapping[str, str] = js.Object.fromEntries(response.headers.entries()).to_py()

    async def read(self, limit_bytes: int) -> bytes | None:
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit_bytes:
            self.cancel()
            return None
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit_bytes:
                self.cancel()
                return None
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        stream = self._response.body
        if not stream:  # null, for an answer without a body
            return
        reader = stream.getReader()
        abort = self._abort
        try:
            while True:
                abort.arm(self._idle_timeout_seconds)
                result = await reader.read()
                if result.done:
                    return
                yield result.value.to_bytes()
        except JsException as error:
            timed_out = abort.fired and not self._cancelled
            raise StreamInterrupted("timeout" if timed_out else "connection", error.name) from None
        finally:
            abort.disarm()

    def cancel(self) -> None:
        self._cancelled = True
        self._abort.now()


async def post(url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> PostResult:
    """The telemetry engine's `Post` port: one timeout over the whole exchange."""
    abort = _Abort()
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
        answer = await _read_at_most(response, _POST_ANSWER_BYTES)
        return PostResult(
            status=int(response.status),
            headers=js.Object.fromEntries(response.headers.entries()).to_py(),
            body=answer,
        )
    except JsException as error:
        raise PostError("timeout" if abort.fired else "connection", error.name) from None
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
