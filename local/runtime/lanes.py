"""An httpx transport whose price does not grow with concurrency.

httpcore's pool looks at every connection, and at every other for each idle one, whenever a request begins or
ends: 0.5 ms at one connection, 5 ms at 64 (measured with httpcore 1.0.9). Here each request takes a lane of its
own, a pool that holds one connection, so that each of those pools stays at its cheapest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx

MAX_IDLE_LANES = 256

type Origin = tuple[str, str, int | None]


class LanedTransport(httpx.AsyncBaseTransport):
    """Keeps idle lanes by origin; the one used last is used first, so that the rest may go stale."""

    def __init__(self, new_lane: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._new_lane = new_lane
        self._idle: dict[Origin, list[httpx.AsyncBaseTransport]] = {}
        self._busy: set[httpx.AsyncBaseTransport] = set()
        self._surplus: list[httpx.AsyncBaseTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for lane in self._surplus:
            await lane.aclose()
        self._surplus.clear()
        url = request.url
        origin = (url.scheme, url.host, url.port)
        idle = self._idle.setdefault(origin, [])
        lane = idle.pop() if idle else self._new_lane()
        self._busy.add(lane)
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            self._release(lane, idle)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _LaneStream(response.stream, lambda: self._release(lane, idle))
        return response

    async def aclose(self) -> None:
        lanes = [*self._busy, *self._surplus, *(lane for idle in self._idle.values() for lane in idle)]
        self._busy.clear()
        self._surplus.clear()
        self._idle.clear()
        for lane in lanes:
            await lane.aclose()

    def _release(self, lane: httpx.AsyncBaseTransport, idle: list[httpx.AsyncBaseTransport]) -> None:
        if lane not in self._busy:
            return
        self._busy.remove(lane)
        (idle if len(idle) < MAX_IDLE_LANES else self._surplus).append(lane)


class _LaneStream(httpx.AsyncByteStream):
    """A body that gives its lane back when it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, release: Callable[[], None]) -> None:
        self._stream = stream
        self._release = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._release()
