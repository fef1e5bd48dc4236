"""A gateway that stands in for the real one where a test is about what lies around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from lumigate.http.types import Request, Response, json_response
from lumigate.ports import Ports
from lumigate.telemetry.host import Clock, Entropy

type Handle = Callable[[Request, Ports], Awaitable[Response]]


async def echo(request: Request, ports: Ports) -> Response:
    """Answer with what was received; the body as text, None where it was over 1,000 bytes."""
    body = await request.read_body(1000)
    return json_response(
        200,
        {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": dict(request.headers),
            "body": None if body is None else body.decode("utf-8", "replace"),
            "country": request.country,
            "colo": request.colo,
            "client": request.client_address,
        },
    )


class StubGateway:
    """Hands each request to `handle`; counts the rest."""

    def __init__(self, handle: Handle = echo) -> None:
        self._handle = handle
        self.flushes = 0
        self.cron_runs = 0

    @classmethod
    def factory(cls, handle: Handle = echo) -> Callable[[Mapping[str, Any], Clock, Entropy], StubGateway]:
        return lambda environ, clock, entropy: cls(handle)

    async def handle(self, request: Request, ports: Ports, /) -> Response:
        return await self._handle(request, ports)

    async def scheduled(self, ports: Ports, /) -> None:
        self.cron_runs += 1

    async def flush(self, ports: Ports, /) -> None:
        self.flushes += 1


class Proxy:
    """A gateway in miniature: passes chat on to the upstream and its stream back, and notes what happened."""

    def __init__(self, base_url: Callable[[], str]) -> None:
        self._base_url = base_url
        self.disconnects = 0
        self.closed_streams = 0

    async def __call__(self, request: Request, ports: Ports) -> Response:
        body = await request.read_body(1_000_000)
        assert body is not None
        answer = await ports.fetch(
            "POST",
            self._base_url() + "/chat/completions",
            headers={"content-type": "application/json"},
            body=body,
            timeout_seconds=5,
            idle_timeout_seconds=5,
        )

        def gone() -> None:
            self.disconnects += 1
            answer.cancel()

        request.disconnect.subscribe(gone)
        if not json.loads(body).get("stream"):
            content = await answer.read(1_000_000)
            return Response(
                status=answer.status, headers={"content-type": "application/json"}, body=content or b""
            )
        return Response(
            status=answer.status,
            headers={"content-type": "text/event-stream"},
            body=self._pass_on(answer.chunks()),
        )

    async def _pass_on(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            self.closed_streams += 1


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once `condition` holds; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is about sockets, which set no event
            await asyncio.sleep(0.005)
