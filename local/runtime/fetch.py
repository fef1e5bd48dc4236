"""`Fetch` over httpx: a bounded wait for the headers and for each chunk, and a cancel from anywhere.

httpx's own time limits are not used: its read timeout is for one read of the socket, the port's for
the headers as a whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from collections.abc import AsyncGenerator, Mapping

import httpx

from local.runtime.background import BackgroundTasks
from local.runtime.http_client import header_dict
from lumigate.ports import FetchError, StreamInterrupted

logger = logging.getLogger(__name__)

# httpx undoes the content encoding, so these no longer describe the body.
_ABOUT_THE_ENCODED_BODY = ("content-encoding", "content-length", "transfer-encoding")


class HttpxFetch:
    """The adapter. One for the process; the client's pool is shared by all requests."""

    def __init__(self, client: httpx.AsyncClient, background: BackgroundTasks) -> None:
        self._client = client
        self._background = background

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_seconds: float,
        idle_timeout_seconds: float,
    ) -> HttpxFetchResponse:
        try:
            request = self._client.build_request(method, url, headers=dict(headers), content=body)
            async with asyncio.timeout(timeout_seconds):
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            raise FetchError("timeout", f"no headers within {timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, ExceptionGroup) as error:
            raise FetchError("connection", _describe(error)) from error
        return HttpxFetchResponse(response, self._background, idle_timeout_seconds)


class HttpxFetchResponse:
    """An answer whose body is still on the wire."""

    __slots__ = ("_background", "_cancelled", "_idle_seconds", "_reading", "_response", "headers", "status")

    def __init__(self, response: httpx.Response, background: BackgroundTasks, idle_seconds: float) -> None:
        self.status = response.status_code
        headers = header_dict(response)
        if "content-encoding" in headers:
            for name in _ABOUT_THE_ENCODED_BODY:
                headers.pop(name, None)
        self.headers: Mapping[str, str] = headers
        self._response = response
        self._background = background
        self._idle_seconds = idle_seconds
        self._reading: asyncio.Timeout | None = None
        self._cancelled = False

    async def read(self, limit_bytes: int) -> bytes | None:
        declared = self.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit_bytes:
            await self._close()
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
        source = self._response.aiter_bytes()
        try:
            while True:
                if self._cancelled:
                    raise StreamInterrupted("connection", "cancelled")
                try:
                    async with asyncio.timeout(self._idle_seconds) as self._reading:
                        chunk = await anext(source)
                except StopAsyncIteration:
                    return
                finally:
                    self._reading = None
                yield chunk
        except TimeoutError:
            if self._cancelled:
                raise StreamInterrupted("connection", "cancelled") from None
            raise StreamInterrupted("timeout", f"silent for {self._idle_seconds:g} s") from None
        except (httpx.HTTPError, httpx.StreamError, zlib.error) as error:
            raise StreamInterrupted("connection", _describe(error)) from error
        finally:
            await self._close()

    def cancel(self) -> None:
        if self._cancelled or self._response.is_closed:
            return
        self._cancelled = True
        if self._reading is not None:
            # Makes the read in progress time out at once, in the task that is reading, which then closes.
            with contextlib.suppress(RuntimeError):  # it has just timed out by itself
                self._reading.reschedule(asyncio.get_running_loop().time())
        else:
            self._background(self._close())

    async def _close(self) -> None:
        try:
            await self._response.aclose()
        except (httpx.HTTPError, OSError, RuntimeError) as error:
            logger.debug("closing an upstream connection: %r", error)


def _describe(error: Exception) -> str:
    """The kind of error and its words, without the URL (which may carry a key)."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
