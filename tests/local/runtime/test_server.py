from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import httpx
import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime import server as server_module
from local.runtime.ports import LocalPorts
from local.runtime.server import GatewayApp, Server, bind
from lumigate.http.types import Request, Response
from lumigate.ports import Ports
from tests.local.stubs import Handle, Proxy, StubGateway, echo, until

WAIT_SECONDS = 30


@contextlib.asynccontextmanager
async def serving(ports: LocalPorts, handle: Handle) -> AsyncIterator[str]:
    app = GatewayApp(StubGateway(handle), ports, country="NL", colo="AMS")
    async with Server(app, bind(0)) as server:
        yield f"http://127.0.0.1:{server.port}"


async def hang_up_once(asking: Coroutine[Any, Any, httpx.Response], entered: asyncio.Event) -> None:
    """Ask, and close the connection as soon as the gateway works on it."""
    task = asyncio.create_task(asking)
    async with asyncio.timeout(WAIT_SECONDS):
        await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def exchange(url: str, data: bytes) -> bytes:
    """Send raw bytes and read until the server closes."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(data)
    async with asyncio.timeout(WAIT_SECONDS):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_request_arrives_as_plain_data(ports: LocalPorts, client: httpx.AsyncClient) -> None:
    async with serving(ports, echo) as url:
        answer = await client.post(
            f"{url}/a%2Fb/%C3%A9?x=1&y=%20",
            content=b"hello",
            headers=[("X-Two", "a"), ("x-two", "b"), ("Authorization", "Bearer t")],
        )
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/a%2Fb/%C3%A9", "x=1&y=%20")
    assert seen["headers"]["x-two"] == "a, b"
    assert seen["headers"]["authorization"] == "Bearer t"
    assert (seen["body"], seen["country"], seen["colo"], seen["client"]) == (
        "hello",
        "NL",
        "AMS",
        "127.0.0.1",
    )


async def test_the_country_header_stands_for_another_place(
    ports: LocalPorts, client: httpx.AsyncClient
) -> None:
    async with serving(ports, echo) as url:
        assert (await client.get(url, headers={"cf-ipcountry": "US"})).json()["country"] == "US"


async def test_a_body_over_the_limit_is_none_whether_declared_or_not(
    ports: LocalPorts, client: httpx.AsyncClient
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 10_000

    async with serving(ports, echo) as url:
        assert (await client.post(url, content=b"x" * 1000)).json()["body"] == "x" * 1000
        assert (await client.post(url, content=b"x" * 1001)).json()["body"] is None
        assert (await client.post(url, content=chunks())).json()["body"] is None
        assert (await client.get(url)).json()["body"] == ""


async def test_no_more_of_a_body_is_read_than_the_limit(ports: LocalPorts) -> None:
    async with serving(ports, echo) as url:
        address = httpx.URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000000\r\n\r\n" + b"x" * 5000)
        async with asyncio.timeout(WAIT_SECONDS):
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


async def test_a_stream_is_passed_on_as_it_comes(ports: LocalPorts, client: httpx.AsyncClient) -> None:
    gate = asyncio.Event()

    async def handle(request: Request, ports: Ports) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"first"
            await gate.wait()
            yield b""
            yield b"second"

        return Response(status=200, headers={"content-type": "text/event-stream"}, body=body())

    async with serving(ports, handle) as url, client.stream("GET", url) as answer:
        chunks = answer.aiter_raw()
        assert await anext(chunks) == b"first"
        gate.set()
        assert [chunk async for chunk in chunks] == [b"second"]


async def test_a_hang_up_in_the_middle_of_a_stream_cancels_the_upstream(
    ports: LocalPorts, upstream: OpenAIUpstream, client: httpx.AsyncClient
) -> None:
    proxy = Proxy(lambda: upstream.base_url)
    async with serving(ports, proxy) as url:
        async with client.stream("POST", url, json=chat("[[mock chunk-ms=20 tokens=500]]")) as answer:
            await anext(answer.aiter_raw())
        await until(lambda: upstream.left_early == 1)
        await until(lambda: proxy.closed_streams == 1)
        assert proxy.disconnects == 1


async def test_a_hang_up_while_the_gateway_works_fires_disconnect(
    ports: LocalPorts, upstream: OpenAIUpstream, client: httpx.AsyncClient
) -> None:
    entered, disconnected = asyncio.Event(), asyncio.Event()

    async def handle(request: Request, ports: Ports) -> Response:
        await request.read_body(1000)
        request.disconnect.subscribe(disconnected.set)
        entered.set()
        await disconnected.wait()
        return Response(status=499, headers={})

    async with serving(ports, handle) as url:
        await hang_up_once(client.post(url, content=b"x"), entered)
        async with asyncio.timeout(WAIT_SECONDS):
            await disconnected.wait()


async def test_what_does_not_end_after_its_client_left_is_cancelled(
    ports: LocalPorts,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server_module, "CLOSING_SECONDS", 0.05)
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(request: Request, ports: Ports) -> Response:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    async with serving(ports, handle) as url:
        await hang_up_once(client.get(url), entered)
        async with asyncio.timeout(WAIT_SECONDS):
            await cancelled.wait()
        await until(lambda: "cancelled" in caplog.text)


async def test_a_stream_that_breaks_is_seen_to_break(
    ports: LocalPorts, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(request: Request, ports: Ports) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("upstream fell over")

        return Response(status=200, headers={}, body=body())

    async with serving(ports, handle) as url:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
        assert "upstream fell over" in caplog.text


async def test_head_has_headers_and_no_body_and_its_stream_is_closed(
    ports: LocalPorts, client: httpx.AsyncClient
) -> None:
    closed: list[bool] = []

    class Stream:
        def __aiter__(self) -> Stream:
            return self

        async def __anext__(self) -> bytes:
            raise AssertionError("HEAD must not read the body")

        async def aclose(self) -> None:
            closed.append(True)

    async def handle(request: Request, ports: Ports) -> Response:
        return Response(status=200, headers={"x-a": "b"}, body=Stream() if request.path == "/s" else b"12345")

    async with serving(ports, handle) as url:
        answer = await client.head(url)
        assert (answer.headers["content-length"], answer.content) == ("5", b"")
        assert (await client.head(f"{url}/s")).headers["x-a"] == "b"
    assert closed == [True]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_400(ports: LocalPorts, data: bytes) -> None:
    async with serving(ports, echo) as url:
        answer = await exchange(url, data)
        assert answer.startswith(b"HTTP/1.1 400"), answer[:80]


async def test_odd_but_legal_requests_reach_the_gateway(ports: LocalPorts) -> None:
    async with serving(ports, echo) as url:
        for line in (
            b"GET http://other.example/p?q=1 HTTP/1.1",
            b"OPTIONS * HTTP/1.1",
            b"PROPFIND / HTTP/1.1",
        ):
            answer = await exchange(
                url, line + b"\r\nhost: x\r\nx-latin: caf\xe9\r\nconnection: close\r\n\r\n"
            )
            assert answer.startswith(b"HTTP/1.1 200"), answer[:80]
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]["x-latin"] == "café"


async def test_a_gateway_that_raises_is_a_500_with_no_detail(
    ports: LocalPorts, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(request: Request, ports: Ports) -> Response:
        raise RuntimeError("secret detail")

    async with serving(ports, handle) as url:
        answer = await client.get(url)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


async def test_headers_cannot_be_injected(ports: LocalPorts, client: httpx.AsyncClient) -> None:
    async def handle(request: Request, ports: Ports) -> Response:
        return Response(status=200, headers={"x-echo": "a\r\nset-cookie: b=c", "x-wide": "日"}, body=b"ok")

    async with serving(ports, handle) as url:
        answer = await client.get(url)
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-wide"] == "?"


async def test_shutdown_lets_a_request_in_progress_end(ports: LocalPorts, client: httpx.AsyncClient) -> None:
    entered = asyncio.Event()

    async def handle(request: Request, ports: Ports) -> Response:
        entered.set()
        await asyncio.sleep(0.1)  # until after the server was told to end
        return Response(status=200, headers={}, body=b"done")

    async with serving(ports, handle) as url:
        asking = asyncio.create_task(client.get(url))
        async with asyncio.timeout(WAIT_SECONDS):
            await entered.wait()
    assert (await asking).content == b"done"


async def test_nothing_is_logged_for_an_ordinary_request(
    ports: LocalPorts, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="uvicorn"):
        async with serving(ports, echo) as url:
            await client.get(url)
    assert not [record for record in caplog.records if record.name.startswith(("uvicorn", "local"))]


def chat(prompt: str, *, stream: bool = True) -> dict[str, Any]:
    return {"model": "gpt-5", "stream": stream, "messages": [{"role": "user", "content": prompt}]}
