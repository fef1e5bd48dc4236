"""A head without end is cut off; bodies and pipelined requests are not taken for heads; trailers are no headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.runtime.embedded import EmbeddedRuntime
from local.runtime.wire import MAX_HEAD_BYTES


class Seen:
    """A gateway that keeps the heads and lengths of what it is asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], int]] = []

    async def handle(self, request: Any, ports: Any) -> Any:
        from lumigate.http.types import json_response

        body = await request.read_body(10_000_000)
        self.requests.append((dict(request.headers), len(body or b"")))
        return json_response(200, {})

    async def scheduled(self, ports: Any) -> None:
        """Nothing to do."""

    async def flush(self, ports: Any) -> None:
        """Nothing to do."""


@pytest.fixture
async def serving() -> AsyncIterator[tuple[Seen, int]]:
    seen = Seen()
    async with EmbeddedRuntime(gateway_factory=lambda *_: seen) as runtime:
        yield seen, int(runtime.url.rpartition(":")[2])


async def exchange(port: int, pieces: list[bytes], answers: int = 1) -> bytes:
    """What is answered to pieces that arrive one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            said = b""
            while said.count(b"HTTP/1.1 ") < answers or not said.endswith(b"}"):
                more = await reader.read(65_536)
                if not more:
                    break
                said += more
            return said
    finally:
        writer.close()


@pytest.mark.parametrize("start", [b"GET /health HTTP/1.1\r\nhost: x\r\nx-long: ", b"GET /"])
async def test_a_head_that_never_ends_is_431_and_closed(serving: tuple[Seen, int], start: bytes) -> None:
    seen, port = serving
    pieces = [start, *[b"x" * 16_384] * (MAX_HEAD_BYTES // 16_384 + 2)]
    try:
        said = await exchange(port, pieces)
    except ConnectionError:  # closed while more was being sent
        said = b""
    if said:
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        assert b"nosniff" in head
        assert json.loads(body)["error"]["code"] == "headers_too_large"
    assert seen.requests == []


async def test_a_long_body_is_no_head(serving: tuple[Seen, int]) -> None:
    seen, port = serving
    length = 2 * MAX_HEAD_BYTES
    head = b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % length
    pieces = [head, *[b"y" * 65_536] * (length // 65_536), b"y" * (length % 65_536)]
    second = b"GET /y HTTP/1.1\r\nhost: x\r\nx-two: 2\r\n\r\n"
    said = await exchange(port, [*pieces[:-1], pieces[-1] + second], answers=2)
    assert said.count(b"HTTP/1.1 200") == 2
    assert [size for _, size in seen.requests] == [length, 0]
    assert seen.requests[1][0]["x-two"] == "2"


async def test_a_trailer_is_no_header(serving: tuple[Seen, int]) -> None:
    seen, port = serving
    head = b"POST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntrailer: authorization\r\n\r\n"
    said = await exchange(port, [head, b"2\r\nhi\r\n0\r\nauthorization: Bearer planted\r\n\r\n"])
    assert b"HTTP/1.1 200" in said
    ((headers, size),) = seen.requests
    assert (size, "authorization" in headers) == (2, False)
