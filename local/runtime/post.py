"""`Post` over httpx: one bounded exchange with a collector."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from local.runtime.http_client import header_dict
from lumigate.telemetry.host import PostError, PostResult

_ANSWER_BYTES = 64 * 1024


class HttpxPost:
    """The adapter. The time limit covers the whole exchange; at most 64 KiB of the answer are read."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> PostResult:
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._client.stream("POST", url, headers=dict(headers), content=body) as response,
            ):
                answer = bytearray()
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) >= _ANSWER_BYTES:
                        break
                return PostResult(
                    status=response.status_code,
                    headers=header_dict(response),
                    body=bytes(answer[:_ANSWER_BYTES]),
                )
        except TimeoutError:
            raise PostError("timeout", f"no answer within {timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, ValueError, ExceptionGroup) as error:
            raise PostError("connection", type(error).__name__) from error
