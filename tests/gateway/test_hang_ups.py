"""Clients that leave, and requests that fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from lumigate.http.types import Disconnect
from tests.fakes import STREAM, FakeAnswer, fake_ports, settle, stream_answer
from tests.gateway.rig import STREAMED, nothing_was_misused, with_upstream


async def test_a_client_that_hangs_up_in_a_stream_is_an_abort_with_its_provider_stopped() -> None:
    answer = stream_answer(*STREAM)
    rig = with_upstream(answer)
    disconnect = Disconnect()
    response = await rig.send(body=STREAMED, disconnect=disconnect)
    events = cast("AsyncGenerator[bytes]", response.body)
    await anext(events)
    disconnect.fire()
    await events.aclose()
    assert answer.cancelled
    (event,) = rig.events
    assert (event["status"], event["outcome"], event["level"]) == (200, "client_abort", "warn")
    assert rig.observed.total("lumigate.request.outcomes", lumigate__outcome="client_abort") == 1
    nothing_was_misused(rig)


async def test_a_client_that_hangs_up_as_soon_as_it_has_read_the_end_has_all_of_the_answer() -> None:
    """As OpenAI's own client does: the news of it may come before that of the last write."""
    rig = with_upstream(stream_answer(*STREAM))
    disconnect = Disconnect()
    response = await rig.send(body=STREAMED, disconnect=disconnect)
    events = cast("AsyncGenerator[bytes]", response.body)
    while not (await anext(events)).endswith(b"data: [DONE]\n\n"):
        pass
    disconnect.fire()
    await events.aclose()
    (event,) = rig.events
    assert (event["status"], event["outcome"], event["level"]) == (200, "complete", "info")
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="ok") == 1
    again = await rig.send(body=STREAMED)
    assert again.headers["x-lumigate-cache"] == "hit-l1"
    nothing_was_misused(rig)


async def test_a_client_that_hangs_up_before_the_answer_is_a_499() -> None:
    rig = with_upstream(FakeAnswer(200, {}, [asyncio.Event()]))
    disconnect = Disconnect()
    task = asyncio.create_task(rig.send(disconnect=disconnect))
    await settle()
    disconnect.fire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (event,) = rig.events
    assert (event["status"], event["outcome"]) == (499, "client_abort")
    assert rig.observed.span("chat gpt-4o-mini").attributes["error.type"] == "client_abort"


async def test_a_stream_that_is_never_started_is_closed_by_the_hang_up() -> None:
    rig = with_upstream(stream_answer(*STREAM))
    disconnect = Disconnect()
    response = await rig.send(body=STREAMED, disconnect=disconnect)
    disconnect.fire()
    await cast("AsyncGenerator[bytes]", response.body).aclose()
    assert [event["outcome"] for event in rig.events] == ["client_abort"]


async def test_a_client_that_leaves_before_anything_was_sent_has_nothing_of_an_answer_that_came_at_once() -> (
    None
):
    rig = with_upstream(stream_answer(b"".join(STREAM)))
    disconnect = Disconnect()
    response = await rig.send(body=STREAMED, disconnect=disconnect)
    disconnect.fire()
    await cast("AsyncGenerator[bytes]", response.body).aclose()
    assert [event["outcome"] for event in rig.events] == ["client_abort"]


async def test_a_request_that_fell_silent_is_closed_by_a_later_one() -> None:
    """On Workers the code of a request whose client left may never run again."""
    rig = with_upstream(stream_answer(STREAM[0], asyncio.Event(), *STREAM[1:]))
    response = await rig.send(body=STREAMED)
    events = cast("AsyncGenerator[bytes]", response.body)
    await anext(events)
    rig.ports.clock.advance(60)
    await rig.send("GET", "/health")
    assert [event["route"] for event in rig.events] == ["/health"], "closed too early"
    rig.ports.clock.advance(60)
    await rig.send("GET", "/health")
    silent = next(event for event in rig.events if event["route"] == "/v1/chat/completions")
    assert (silent["status"], silent["outcome"], silent["error_code"]) == (
        200,
        "client_abort",
        "client_abort",
    )
    assert silent["request_id"] == response.headers["x-request-id"]
    assert rig.observed.span("chat gpt-4o-mini").attributes["error.type"] == "client_abort"
    await events.aclose()
    assert len([e for e in rig.events if e["route"] == "/v1/chat/completions"]) == 1
    nothing_was_misused(rig)


async def test_a_stream_that_still_speaks_is_not_silent_however_long_it_takes() -> None:
    ports = fake_ports()
    pieces = [piece for event in STREAM for piece in (lambda: ports.clock.advance(25), event)]
    rig = with_upstream(stream_answer(*pieces), ports=ports)
    response = await rig.send(body=STREAMED)
    events = cast("AsyncGenerator[bytes]", response.body)
    async for _ in events:
        await rig.send("GET", "/health")
    ended = next(event for event in rig.events if event["route"] == "/v1/chat/completions")
    assert (ended["outcome"], ended["duration_ms"]) == ("complete", 125_000)
