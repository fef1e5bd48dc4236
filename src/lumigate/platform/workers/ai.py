"""Workers AI, over the binding. https://developers.cloudflare.com/workers-ai/configuration/bindings/

`returnRawResponse` gives the answer as an HTTP response, and `signal` aborts it, so that a stream is read, timed and
cancelled as any other.
"""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsException

from lumigate.platform.workers.abort import Abort
from lumigate.platform.workers.fetch import WorkersFetchResponse
from lumigate.ports import FetchError, FetchResponse


class WorkersAI:
    """The `ModelBinding` port."""

    def __init__(self, binding: Any) -> None:
        self._binding = binding

    async def run(
        self, model: str, body: bytes, *, timeout_seconds: float, idle_timeout_seconds: float
    ) -> FetchResponse:
        abort = Abort()
        abort.arm(timeout_seconds)
        options = js.Object.new()
        options.returnRawResponse = True
        options.signal = abort.signal
        try:
            answer = await self._binding.run(model, js.JSON.parse(body.decode()), options)
        except JsException as error:
            raise FetchError("timeout" if abort.fired else "connection", error.name) from None
        except BaseException:
            abort.now()
            raise
        finally:
            abort.disarm()
        return WorkersFetchResponse(getattr(answer, "js_object", answer), abort, idle_timeout_seconds)
