"""Bodies share an isolate's memory: who sends large ones waits for others who do, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lumigate.http.room import SMALL_BYTES, BodyRoom
from lumigate.http.types import Disconnect, Response
from tests.fakes import CHAT_BODY, STREAM, WITH_KEY, FakeAnswer, json_answer, stream_answer, whole_body
from tests.fakes.gateway import error_of
from tests.fakes.scope import make_request
from tests.gateway.rig import STREAMED, with_upstream

ROOM = 300_000


def large(body: Mapping[str, Any], size: int = 200_000) -> dict[str, Any]:
    return {**body, "messages": [{"role": "user", "content": "x" * size}]}


def answered(count: int) -> tuple[FakeAnswer, ...]:
    return tuple(stream_answer(*STREAM) for _ in range(count))


def status_of(response: Response) -> tuple[int, str]:
    code = "" if response.status == 200 else error_of(response)["code"]
    return response.status, code


async def test_large_bodies_at_once_are_bounded_and_small_ones_pass() -> None:
    rig = with_upstream(*answered(4), MAX_BODIES_BYTES=str(ROOM))
    first = await rig.send(body=large(STREAMED), headers=WITH_KEY)
    refused = await rig.send(body=large(STREAMED), headers=WITH_KEY)
    assert status_of(refused) == (503, "no_room_for_body")
    assert refused.headers["retry-after"] == "1"
    assert (await rig.send(body=STREAMED, headers=WITH_KEY)).status == 200
    await whole_body(first)
    again = await rig.send(body=large(STREAMED), headers=WITH_KEY)
    assert again.status == 200
    (told,) = [event for event in rig.events if event["status"] == 503]
    assert (told["outcome"], told["error_code"]) == ("error", "no_room_for_body")
    assert told["request_bytes"] > 200_000


async def test_one_that_is_larger_than_all_the_room_passes_alone() -> None:
    rig = with_upstream(*answered(2), MAX_BODIES_BYTES="100")
    response = await rig.send(body=large(STREAMED), headers=WITH_KEY)
    assert response.status == 200
    await whole_body(response)


async def test_whatever_becomes_of_a_request_its_room_is_given_back() -> None:
    """Refused, failed, hung up in the middle, never heard of again."""
    failures = (json_answer({"error": {"message": "no"}}, 500),) * 2
    rig = with_upstream(*failures, *answered(3), MAX_BODIES_BYTES=str(ROOM), RETRY_ATTEMPTS="2")
    unknown = await rig.send(body=large({**CHAT_BODY, "model": "none"}), headers=WITH_KEY)
    assert status_of(unknown) == (404, "model_not_found")
    failed = await rig.send(body=large(CHAT_BODY), headers=WITH_KEY)
    assert status_of(failed) == (502, "upstream_failed")
    silent = await rig.send(body=large(STREAMED), headers=WITH_KEY)
    assert silent.status == 200
    rig.ports.clock.advance(3600)
    await rig.send(method="GET", path="/health")  # closes what fell silent
    after = await rig.send(body=large(STREAMED), headers=WITH_KEY)
    assert after.status == 200
    await whole_body(after)


async def test_a_body_that_comes_after_its_request_has_ended_takes_nothing() -> None:
    rig = with_upstream(*answered(1), MAX_BODIES_BYTES=str(ROOM))
    disconnect = Disconnect()
    arrived = asyncio.Event()

    async def slowly(limit_bytes: int) -> bytes:
        await arrived.wait()
        return b'{"model":"gpt-4o-mini","messages":"' + b"x" * 200_000 + b'"}'

    request = replace(make_request(headers=WITH_KEY, disconnect=disconnect), read_body=slowly)
    late = asyncio.create_task(rig.gateway.handle(request, rig.ports))
    await asyncio.sleep(0)
    disconnect.fire()
    arrived.set()
    await late
    response = await rig.send(body=large(STREAMED), headers=WITH_KEY)
    assert response.status == 200
    await whole_body(response)


@given(st.lists(st.integers(0, 400_000), max_size=30))
def test_what_is_held_is_bounded_and_all_of_it_comes_back(sizes: list[int]) -> None:
    room = BodyRoom(ROOM)
    taken = [room.take(size) for size in sizes]
    for size, took in zip(sizes, taken, strict=True):
        assert took == 0 or size > SMALL_BYTES
    assert room.held_bytes <= max([ROOM, *sizes])
    for took in taken:
        if took:
            room.give_back(took)
    assert room.held_bytes == 0
