from __future__ import annotations

import asyncio

import pytest

from local.mocks.wire import Exchange, WireRequest, WireServer
from local.runtime.ports import LocalPorts
from lumigate.telemetry.host import PostError


async def collector(request: WireRequest, exchange: Exchange) -> None:
    match request.path:
        case "/v1/traces":
            exchange.respond(200, request.body, "application/json", {"Retry-After": "3"})
        case "/moved":
            exchange.respond(307, b"", headers={"location": "/v1/traces"})
        case "/long":
            exchange.respond(200, b"x" * 300_000)
        case "/slow":
            await asyncio.sleep(30)
        case "/slow-body":
            exchange.start(200, "application/json")
            await exchange.write(b"{")
            await asyncio.sleep(30)
        case _:
            exchange.reset()


async def test_posts_and_returns_the_answer(ports: LocalPorts) -> None:
    async with WireServer(collector) as server:
        result = await ports.post(
            f"{server.url}/v1/traces", headers={"content-type": "x"}, body=b"\x00\xff", timeout_seconds=30
        )
    assert (result.status, result.body, result.headers["retry-after"]) == (200, b"\x00\xff", "3")


async def test_follows_no_redirect(ports: LocalPorts) -> None:
    async with WireServer(collector) as server:
        result = await ports.post(f"{server.url}/moved", headers={}, body=b"", timeout_seconds=30)
        assert (result.status, server.counts.requests) == (307, 1)


async def test_reads_at_most_64_kib_of_the_answer(ports: LocalPorts) -> None:
    async with WireServer(collector) as server:
        result = await ports.post(f"{server.url}/long", headers={}, body=b"", timeout_seconds=30)
    assert len(result.body) == 64 * 1024


@pytest.mark.parametrize("path", ["/slow", "/slow-body"])
async def test_the_time_limit_covers_the_whole_exchange(ports: LocalPorts, path: str) -> None:
    async with WireServer(collector) as server:
        with pytest.raises(PostError) as caught:
            await ports.post(server.url + path, headers={}, body=b"", timeout_seconds=0.1)
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("refused", [True, False])
async def test_no_answer_is_a_connection_error(ports: LocalPorts, refused: bool) -> None:
    async with WireServer(collector) as server:
        url = "http://127.0.0.1:1/" if refused else f"{server.url}/reset"
        with pytest.raises(PostError) as caught:
            await ports.post(url, headers={}, body=b"", timeout_seconds=30)
    assert caught.value.reason == "connection"
