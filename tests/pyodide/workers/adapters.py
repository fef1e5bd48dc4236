"""Adapters of Workers, one route each, as a test asks for them. Runs beside a copy of `src`."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import asyncio
import json
from typing import Any

import js
from router import Routed, js_object  # type: ignore[import-not-found]
from workers import Response

from lumigate.http.types import Disconnect
from lumigate.platform.workers.fetch import fetch
from lumigate.platform.workers.hang_up import HangUp
from lumigate.platform.workers.post import post


class Default(Routed):
    async def _fetched(self, request: Any, query: Any) -> Any:
        answer = await fetch("GET", query.get("url"), headers={}, timeout_seconds=30, idle_timeout_seconds=30)
        await answer.read(1000)
        return Response(json.dumps(dict(answer.headers)))

    async def _posted(self, request: Any, query: Any) -> Any:
        answer = await post(query.get("url"), headers={}, body=b"", timeout_seconds=30)
        return Response(json.dumps(dict(answer.headers)))

    async def _slowly(self, request: Any, query: Any) -> Any:
        """Read a body with a pause after each chunk."""
        idle, pause = float(query.get("idle")), float(query.get("pause"))
        answer = await fetch(
            "GET", query.get("url"), headers={}, timeout_seconds=30, idle_timeout_seconds=idle
        )
        read = b""
        async for chunk in answer.chunks():
            read += chunk
            await asyncio.sleep(pause)
        return Response(read.decode())

    async def _left(self, request: Any, query: Any) -> Any:
        """A request whose signal has fired before anything listens to it."""
        disconnect, told = Disconnect(), []
        raw = js_object({"signal": js.AbortSignal.abort(js.Error.new("gone"))})
        hang_up = HangUp(raw, self.ctx, disconnect.fire)
        disconnect.subscribe(lambda: told.append("told"))
        hang_up.close()
        return Response(" ".join(told))
