"""Nobody is asked for a client that has left."""

from __future__ import annotations

import asyncio

import pytest

from lumigate.http.types import Disconnect
from tests.fakes import FakeAnswer, settle
from tests.llm.dispatch.rig import ALPHA, good, make_rig


@pytest.mark.parametrize("hedge", [None, "1000"])
async def test_nobody_is_asked_for_a_client_that_has_left_already(hedge: str | None) -> None:
    """On Workers what was being awaited may go on: nothing would stop that call, and nothing settle it."""
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS=hedge)
    rig.ports.fetch.script(ALPHA, good())
    disconnect = Disconnect()
    disconnect.fire()
    assert (await rig.send(disconnect=disconnect)).status == 499
    assert rig.ports.fetch.calls == []
    assert "chat m-alpha" not in [span.name for span in rig.observed.spans]


async def test_an_answer_that_begins_after_the_client_has_left_is_stopped() -> None:
    rig = make_rig("alpha", "beta")
    answer = good()
    rig.ports.fetch.script(ALPHA, answer)
    disconnect = Disconnect()
    task = asyncio.create_task(rig.send(disconnect=disconnect))
    while not rig.ports.fetch.calls:  # noqa: ASYNC110 - the fake tells of a call in no other way
        await asyncio.sleep(0)
    disconnect.fire()
    assert (await task).status == 499
    assert answer.cancelled
    assert answer.read_bytes == 0
    assert len(rig.ports.fetch.calls) == 1
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="client_abort") == 1


async def test_a_client_that_leaves_between_attempts_is_not_worked_for() -> None:
    rig = make_rig("alpha", "beta")
    disconnect = Disconnect()
    leave = FakeAnswer(404, {}, [disconnect.fire, b"{}"])
    rig.ports.fetch.script(ALPHA, leave, good())
    task = asyncio.create_task(rig.send(disconnect=disconnect))
    await settle()
    response = await task
    assert response.status in (499, 502)
    assert len(rig.ports.fetch.calls) == 1
    assert rig.events[0]["outcome"] == "client_abort"
