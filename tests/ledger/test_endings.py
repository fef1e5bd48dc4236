"""What a request held is settled however it ends."""

from __future__ import annotations

import asyncio

import pytest

from lumigate.http.types import Disconnect
from lumigate.ports import FetchError
from tests.fakes import CHAT_BODY, STREAM, completion, json_answer, settle, stream_answer
from tests.ledger.limited import COST, FRESH, LIMITS, after, ended, limited


async def test_a_stream_settles_when_its_last_byte_has_left() -> None:
    rig, port = limited(stream_answer(*STREAM))
    response = await rig.send(body={**CHAT_BODY, "stream": True})
    assert port.ledger.usage(LIMITS)["day"][0] == 0
    assert response.headers["x-ratelimit-remaining-requests"] == "99"
    await ended(rig, response)
    assert port.ledger.usage(LIMITS)["day"] == (450_000, 0)
    assert port.ledger.usage(LIMITS)["tokens"] == (1500, 0)


async def test_a_stream_whose_client_leaves_settles_what_was_streamed() -> None:
    silence = asyncio.Event()
    rig, port = limited(stream_answer(*STREAM[:2], silence))
    disconnect = Disconnect()
    response = await rig.send(body={**CHAT_BODY, "stream": True}, disconnect=disconnect)
    assert not isinstance(response.body, bytes)
    pieces = response.body
    await anext(pieces)
    await anext(pieces)
    disconnect.fire()
    await after(rig)
    spent, reserved = port.ledger.usage(LIMITS)["day"]
    assert (spent > 0, spent < COST * 1e9, reserved) == (True, True, 0)
    assert rig.events[0]["outcome"] == "client_abort"


@pytest.mark.parametrize("answered", [True, False])
async def test_who_leaves_while_the_ledger_is_asked_calls_no_model_and_holds_nothing(answered: bool) -> None:
    """The request has ended by then: what it did from there on would never be settled."""
    rig, port = limited(json_answer(completion()), LEDGER_FAILURE="open")
    disconnect = Disconnect()
    original = port.reserve

    async def leave(text: str, *, timeout_seconds: float) -> str:
        answer = await original(text, timeout_seconds=timeout_seconds)
        disconnect.fire()
        if not answered:
            raise OSError("gone")
        return answer

    port.reserve = leave  # type: ignore[method-assign]
    response = await rig.send(headers=FRESH, disconnect=disconnect)
    await after(rig)
    assert (response.status, rig.ports.fetch.calls) == (499, [])
    assert port.ledger.usage(LIMITS)["day"] == (0, 0)
    assert rig.events[0]["outcome"] == "client_abort"


async def test_who_has_left_before_is_not_reserved_for() -> None:
    rig, port = limited(json_answer(completion()))
    disconnect = Disconnect()
    disconnect.fire()
    assert (await rig.send(headers=FRESH, disconnect=disconnect)).status == 499
    await after(rig)
    assert port.calls == []


async def test_a_call_that_failed_costs_nothing_and_gives_all_back() -> None:
    rig, port = limited(FetchError("timeout"))
    response = await rig.send(headers=FRESH)
    await ended(rig, response)
    assert response.status == 504
    assert port.ledger.usage(LIMITS) == {"requests": (1, 0), "tokens": (0, 0), "day": (0, 0), "month": (0, 0)}


async def test_nothing_of_the_ledger_is_waited_for_after_the_answer() -> None:
    rig, port = limited(json_answer(completion()))
    port_settle = asyncio.Event()
    original = port.settle

    async def slow(text: str, *, timeout_seconds: float) -> str:
        await port_settle.wait()
        return await original(text, timeout_seconds=timeout_seconds)

    port.settle = slow  # type: ignore[method-assign]
    response = await rig.send()
    assert response.status == 200
    work = asyncio.ensure_future(after(rig))
    await settle()
    assert not work.done()
    port_settle.set()
    await work
