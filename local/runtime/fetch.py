"""`Fetch` over aiohttp: a bounded wait for the headers and for each chunk, and a cancel from anywhere.

aiohttp's own time limits are not used. Of a body one timer watches all waits: setting one for every chunk would cost
more than reading it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping

import aiohttp

from local.runtime.http_client import FAILURES, HttpClient, describe, header_dict
from lumigate.ports import FetchError, StreamInterrupted

# aiohttp undoes the content encoding, so these no longer describe the body.
_ABOUT_THE_ENCODED_BODY = ("content-encoding", "content-length", "transfer-encoding")


class AiohttpFetch:
    """The adapter. One for the process; the client's pool is shared by all requests."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_seconds: float,
        idle_timeout_seconds: float,
    ) -> AiohttpFetchResponse:
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await self._client.send(method, url, headers, body)
        except TimeoutError:
            raise FetchError("timeout", f"no headers within {timeout_seconds:g} s") from None
        except FAILURES as error:
            raise FetchError("connection", describe(error)) from error
        return AiohttpFetchResponse(response, idle_timeout_seconds)


class AiohttpFetchResponse:
    """An answer whose body is still on the wire."""

    __slots__ = ("_cancelled", "_ended", "_idle_seconds", "_response", "_silent", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, idle_seconds: float) -> None:
        self.status = response.status
        headers = header_dict(response)
        if "content-encoding" in headers:
            for name in _ABOUT_THE_ENCODED_BODY:
                headers.pop(name, None)
        self.headers: Mapping[str, str] = headers
        self._response = response
        self._idle_seconds = idle_seconds
        self._silent = self._cancelled = self._ended = False

    async def read(self, limit_bytes: int) -> bytes | None:
        declared = self.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit_bytes:
            self._end()
            return None
        parts: list[bytes] = []
        length = 0
        chunks = self.chunks()
        try:
            async for chunk in chunks:
                length += len(chunk)
                if length > limit_bytes:
                    return None
                parts.append(chunk)
        finally:
            await chunks.aclose()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncGenerator[bytes]:
        content = self._response.content
        watch = _IdleWatch(self._idle_seconds, self._fall_silent)
        try:
            while not self._cancelled:
                watch.begin()
                chunk = await content.readany()
                watch.pause()
                if chunk:
                    yield chunk
                elif content.at_eof():
                    return
        except FAILURES as error:
            raise self._interruption(describe(error)) from error
        finally:
            watch.stop()
            self._end()
        raise self._interruption("cancelled")

    def cancel(self) -> None:
        if not self._ended:
            self._cancelled = True
            self._end()

    def _fall_silent(self) -> None:
        self._silent = True
        self._end()

    def _end(self) -> None:
        """Drop the connection if there is more to come, which fails a read in progress.

        One whose answer has come to its end is back in the pool already.
        """
        self._ended = True
        self._response.close()

    def _interruption(self, detail: str) -> StreamInterrupted:
        if self._cancelled:
            return StreamInterrupted("connection", "cancelled")
        if self._silent:
            return StreamInterrupted("timeout", f"silent for {self._idle_seconds:g} s")
        return StreamInterrupted("connection", detail)


class _IdleWatch:
    """Calls `on_silence` once a wait, from `begin` to `pause`, has lasted `seconds`. A new wait sets no new timer."""

    __slots__ = ("_loop", "_on_silence", "_seconds", "_since", "_timer")

    def __init__(self, seconds: float, on_silence: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._on_silence = on_silence
        self._since: float | None = None
        self._timer = self._loop.call_later(seconds, self._look)

    def begin(self) -> None:
        self._since = self._loop.time()

    def pause(self) -> None:
        self._since = None

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        left = self._seconds if self._since is None else self._since + self._seconds - self._loop.time()
        if left <= 0:
            self._on_silence()
        else:
            self._timer = self._loop.call_later(left, self._look)
