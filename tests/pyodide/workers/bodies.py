"""Bodies from upstream, read in the ways that end in different places. Runs beside a copy of `src`."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import asyncio
from typing import Any

from router import Routed  # type: ignore[import-not-found]
from workers import Response

from lumigate.platform.workers.fetch import fetch
from lumigate.ports import StreamInterrupted


class Default(Routed):
    async def _read(self, request: Any, query: Any) -> Any:
        """Read as `how` says, with `pause` seconds after each chunk; say how it ended."""
        how, pause = query.get("how"), float(query.get("pause") or 0)
        answer = await fetch(
            "GET",
            query.get("url"),
            headers={},
            timeout_seconds=30,
            idle_timeout_seconds=float(query.get("idle")),
        )
        if how == "whole":
            body = await answer.read(1000)
            return Response("" if body is None else body.decode())
        if how == "too long":
            return Response(str(await answer.read(5)))
        read = b""
        try:
            async for chunk in answer.chunks():
                read += chunk
                if how == "cancelled":
                    answer.cancel()
                await asyncio.sleep(pause)
        except StreamInterrupted as error:
            return Response(f"{read.decode()}{error.reason}")
        return Response(read.decode())
