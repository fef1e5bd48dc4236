"""HTTP out of a Worker, over the runtime's own `fetch`.

Timeouts are JavaScript timers that abort the request (`abort.py`); one watches all reads of a body (`idle_watch.py`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from lumigate.platform.workers.abort import Abort
from lumigate.platform.workers.headers import read_headers
from lumigate.platform.workers.idle_watch import IdleWatch
from lumigate.ports import FetchError, FetchResponse, StreamInterrupted


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
    abort = Abort()
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

    def __init__(self, response: Any, abort: Abort, idle_timeout_seconds: float) -> None:
        self._response = response
        self._abort = abort
        self._idle_timeout_seconds = idle_timeout_seconds
        self._cancelled = False
        self._watch: IdleWatch | None = None
        self.status = int(response.status)
        self.headers: Mapping[str, str] = read_headers(response.headers)

    async def read(self, limit_bytes: int) -> bytes | None:
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit_bytes:
            self.cancel()
            return None
        parts: list[bytes] = []
        size = 0
        chunks = self.chunks()
        async for chunk in chunks:
            size += len(chunk)
            if size > limit_bytes:
                self.cancel()
                await chunks.aclose()  # left to the loop, it would be closed when the request is over
                return None
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncGenerator[bytes]:
        stream = self._response.body
        if not stream:  # null, for an answer without a body
            return
        read = stream.getReader().read
        watch = self._watch = IdleWatch(self._abort, self._idle_timeout_seconds)
        try:
            while True:
                watch.begin()
                result = await read()
                watch.pause()
                if result.done:
                    return
                yield result.value.to_bytes()
        except JsException as error:
            timed_out = self._abort.fired and not self._cancelled
            raise StreamInterrupted("timeout" if timed_out else "connection", error.name) from None
        finally:
            watch.stop()

    def cancel(self) -> None:
        self._cancelled = True
        if self._watch is not None:  # a reader whose client has left may never wake again
            self._watch.stop()
        self._abort.now()
