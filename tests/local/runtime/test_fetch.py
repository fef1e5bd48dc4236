from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from local.mocks.wire import Exchange, WireRequest, WireServer
from local.runtime.fetch import AiohttpFetchResponse
from local.runtime.ports import LocalPorts
from lumigate.ports import FetchError, StreamInterrupted
from tests.local.stubs import until


async def ask(
    ports: LocalPorts,
    upstream: OpenAIUpstream,
    directive: str = "",
    *,
    stream: bool = False,
    timeout_seconds: float = 30,
    idle_timeout_seconds: float = 30,
) -> AiohttpFetchResponse:
    body: Mapping[str, Any] = {
        "model": "gpt-5",
        "stream": stream,
        "messages": [{"role": "user", "content": f"hello [[mock {directive}]]" if directive else "hello"}],
    }
    return await ports.fetch(
        "POST",
        f"{upstream.base_url}/chat/completions",
        headers={"content-type": "application/json", "authorization": "Bearer k"},
        body=json.dumps(body).encode(),
        timeout_seconds=timeout_seconds,
        idle_timeout_seconds=idle_timeout_seconds,
    )


async def drain(answer: AiohttpFetchResponse) -> tuple[bytes, str]:
    """What came before the stream was interrupted, and why it was."""
    received = b""
    try:
        async for chunk in answer.chunks():
            received += chunk
    except StreamInterrupted as interrupted:
        return received, interrupted.reason
    raise AssertionError("the stream was not interrupted")


async def test_returns_status_headers_in_lower_case_and_the_body(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    body = await answer.read(100_000)
    assert body is not None
    assert json.loads(body)["object"] == "chat.completion"
    (seen,) = upstream.requests
    assert seen.headers["authorization"] == "Bearer k"
    assert "user-agent" in seen.headers


async def test_an_error_status_is_an_answer(ports: LocalPorts, upstream: OpenAIUpstream) -> None:
    answer = await ask(ports, upstream, "fault=status-429 retry-after=7")
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert b"rate_limit_exceeded" in (await answer.read(10_000) or b"")


async def test_connections_are_used_again(ports: LocalPorts, upstream: OpenAIUpstream) -> None:
    for _ in range(5):
        await (await ask(ports, upstream)).read(100_000)
    for _ in range(5):
        answer = await ask(ports, upstream, stream=True)
        async for _ in answer.chunks():
            pass
    assert upstream.connections == 1


async def test_no_headers_in_time_is_a_timeout(ports: LocalPorts, upstream: OpenAIUpstream) -> None:
    with pytest.raises(FetchError, match=r"no headers within 0\.5 s") as caught:
        await ask(ports, upstream, "fault=timeout", timeout_seconds=0.5)
    assert caught.value.reason == "timeout"
    assert not isinstance(caught.value, StreamInterrupted)
    await until(lambda: upstream.left_early == len(upstream.requests))


async def test_the_idle_timeout_does_not_bound_the_wait_for_headers(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream, "first-byte-ms=700", idle_timeout_seconds=0.5)
    assert await answer.read(100_000)


@pytest.mark.parametrize("fault", ["reset", "garbage"])
async def test_a_connection_that_breaks_before_the_headers_is_a_connection_error(
    ports: LocalPorts, upstream: OpenAIUpstream, fault: str
) -> None:
    with pytest.raises(FetchError) as caught:
        await ask(ports, upstream, f"fault={fault}")
    assert caught.value.reason == "connection"
    assert not isinstance(caught.value, StreamInterrupted)


async def test_nobody_listening_is_a_connection_error(ports: LocalPorts) -> None:
    with pytest.raises(FetchError) as caught:
        await ports.fetch(
            "GET", "http://127.0.0.1:1/", headers={}, timeout_seconds=30, idle_timeout_seconds=30
        )
    assert caught.value.reason == "connection"


@pytest.mark.parametrize("url", ["not a url", "http://", "ftp://127.0.0.1/x", "http://127.0.0.1:99999/"])
async def test_an_impossible_url_is_a_connection_error(ports: LocalPorts, url: str) -> None:
    with pytest.raises(FetchError) as caught:
        await ports.fetch("GET", url, headers={}, timeout_seconds=30, idle_timeout_seconds=30)
    assert caught.value.reason == "connection"


async def test_chunks_come_as_they_are_sent(ports: LocalPorts, upstream: OpenAIUpstream) -> None:
    answer = await ask(ports, upstream, "chunk-ms=20 tokens=10", stream=True)
    chunks = [chunk async for chunk in answer.chunks()]
    assert len(chunks) >= 10
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")


async def test_bytes_arrive_unchanged_through_cuts_in_utf8(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    whole = [c async for c in (await ask(ports, upstream, "tokens=40", stream=True)).chunks()]
    cut = [
        c async for c in (await ask(ports, upstream, "tokens=40 fault=split bytes=3", stream=True)).chunks()
    ]
    assert b"".join(cut).count(b"\n\n") == b"".join(whole).count(b"\n\n")
    assert "東京" in b"".join(cut).decode("utf-8") or "é" in b"".join(cut).decode("utf-8")


async def test_a_silent_stream_is_interrupted_after_the_idle_timeout(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream, "fault=stall after=2", stream=True, idle_timeout_seconds=0.5)
    received, reason = await drain(answer)
    assert reason == "timeout"
    assert received.count(b"data: ") == 2
    await until(lambda: upstream.left_early == 1)


@pytest.mark.parametrize("fault", ["half-event", "reset-mid"])
async def test_a_stream_that_breaks_is_interrupted_after_what_came(
    ports: LocalPorts, upstream: OpenAIUpstream, fault: str
) -> None:
    answer = await ask(ports, upstream, f"fault={fault} after=2", stream=True)
    received, reason = await drain(answer)
    assert reason == "connection"
    assert received.count(b"\n\n") == 2


async def test_a_body_over_the_limit_is_none_and_the_connection_is_dropped(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream, "fault=huge")
    assert await answer.read(1_000_000) is None
    streamed = await ask(ports, upstream, "fault=huge", stream=True)
    assert await streamed.read(1_000_000) is None
    await until(lambda: upstream.left_early == 1)
    assert upstream.open_requests == 0


async def test_a_body_of_exactly_the_limit_is_read(ports: LocalPorts, upstream: OpenAIUpstream) -> None:
    body = await (await ask(ports, upstream)).read(1_000_000)
    assert body is not None
    length = len(body)
    assert await (await ask(ports, upstream)).read(length) is not None
    assert await (await ask(ports, upstream)).read(length - 1) is None


async def test_cancel_from_another_task_ends_a_read_in_progress(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream, "fault=stall after=1", stream=True, idle_timeout_seconds=30)

    reading = asyncio.create_task(answer.read(1_000_000))
    await asyncio.sleep(0.05)
    answer.cancel()
    with pytest.raises(StreamInterrupted, match="cancelled"):
        await reading
    await until(lambda: upstream.left_early == 1)
    answer.cancel()


async def test_cancel_before_any_read_drops_the_connection(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream, "fault=stall after=1", stream=True)
    answer.cancel()
    answer.cancel()
    await until(lambda: upstream.left_early == 1)
    with pytest.raises(StreamInterrupted):
        await answer.read(1000)


async def test_cancel_between_two_chunks_drops_the_connection(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream, "chunk-ms=50 tokens=100", stream=True)
    chunks = answer.chunks()
    await anext(chunks)
    answer.cancel()
    await until(lambda: upstream.left_early == 1)
    with pytest.raises(StreamInterrupted):
        await anext(chunks)


async def test_leaving_the_iteration_drops_the_connection(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    answer = await ask(ports, upstream, "chunk-ms=50 tokens=100", stream=True)
    chunks = answer.chunks()
    await anext(chunks)
    await chunks.aclose()
    await until(lambda: upstream.left_early == 1)


async def test_a_cancelled_call_drops_the_connection(ports: LocalPorts, upstream: OpenAIUpstream) -> None:
    calling = asyncio.create_task(ask(ports, upstream, "fault=timeout"))
    await until(lambda: upstream.open_requests == 1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(lambda: upstream.left_early == 1)


async def test_many_calls_at_once_do_not_wait_for_each_other(
    ports: LocalPorts, upstream: OpenAIUpstream
) -> None:
    upstream.held.add("all")
    asking = [asyncio.create_task(ask(ports, upstream, "hold=all", timeout_seconds=60)) for _ in range(50)]
    await until(lambda: upstream.open_requests == 50)
    upstream.held.clear()
    assert all([await (await each).read(100_000) for each in asking])


async def test_redirects_are_handed_back_and_content_encoding_is_undone(ports: LocalPorts) -> None:
    packed = gzip.compress(b"plain words")

    async def handler(request: WireRequest, exchange: Exchange) -> None:
        if request.path == "/old":
            exchange.respond(302, b"", headers={"location": "/new"})
        else:
            exchange.respond(
                200, packed, "text/plain", {"content-encoding": "gzip", "X-Two": "a\r\nx-two: b"}
            )

    async with WireServer(handler) as server:

        async def get(path: str) -> AiohttpFetchResponse:
            return await ports.fetch(
                "GET", server.url + path, headers={}, timeout_seconds=30, idle_timeout_seconds=30
            )

        moved = await get("/old")
        assert (moved.status, moved.headers["location"]) == (302, "/new")
        await moved.read(10)
        answer = await get("/new")
        assert "content-encoding" not in answer.headers
        assert "content-length" not in answer.headers
        assert answer.headers["x-two"] == "a, b"
        assert await answer.read(100) == b"plain words"
        assert server.counts.requests == 2
