"""`Post` over aiohttp: one bounded exchange with a collector."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from local.runtime.http_client import FAILURES, HttpClient, header_dict
from lumigate.telemetry.host import PostError, PostResult

_ANSWER_BYTES = 64 * 1024


class AiohttpPost:
    """The adapter. The time limit covers the whole exchange; at most 64 KiB of the answer are read."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> PostResult:
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await self._client.send("POST", url, headers, body)
                try:
                    answer = bytearray()
                    while len(answer) < _ANSWER_BYTES and (chunk := await response.content.readany()):
                        answer += chunk
                finally:
                    response.close()  # if there is more, it is not wanted
                return PostResult(
                    status=response.status,
                    headers=header_dict(response),
                    body=bytes(answer[:_ANSWER_BYTES]),
                )
        except TimeoutError:
            raise PostError("timeout", f"no answer within {timeout_seconds:g} s") from None
        except FAILURES as error:
            raise PostError("connection", type(error).__name__) from error
