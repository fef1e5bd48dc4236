"""A slow candidate is raced by the next."""

from __future__ import annotations

import asyncio

from lumigate.http.types import Disconnect
from tests.fakes import FakeAnswer, settle
from tests.llm.dispatch.rig import ALPHA, BETA, GAMMA, good, make_rig


async def test_a_slow_candidate_is_raced_by_the_next_and_the_loser_is_dropped() -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="1")
    never = asyncio.Event()
    slow = FakeAnswer(200, {}, [b'{"choices":', never])
    rig.ports.fetch.script(ALPHA, slow)
    rig.ports.fetch.script(BETA, good("quick"))
    response = await asyncio.wait_for(rig.send(), 5)
    assert response.headers["x-lumigate-provider"] == "beta"
    assert slow.cancelled
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="hedge_lost") == 1
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="ok") == 1
    assert rig.observed.span("chat alpha-model").status.is_unset
    assert rig.observed.labels("lumigate.llm.hedges") == [
        {
            "gen_ai.provider.name": "other",  # one of the operator's own
            "gen_ai.request.model": "beta-model",
            "lumigate.llm.hedge.result": "won",
        }
    ]


async def test_a_quick_candidate_is_not_raced() -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="5000")
    rig.ports.fetch.script(ALPHA, good())
    response = await rig.send()
    assert response.headers["x-lumigate-provider"] == "alpha"
    assert len(rig.ports.fetch.calls) == 1
    assert not rig.observed.labels("lumigate.llm.hedges")


async def test_when_both_of_a_race_fail_the_third_is_asked() -> None:
    rig = make_rig("alpha", "beta", "gamma", HEDGE_AFTER_MS="1")
    rig.ports.fetch.script(GAMMA, good())
    response = await rig.send()
    assert response.headers["x-lumigate-provider"] == "gamma"


async def test_a_client_that_leaves_a_race_stops_both() -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="1")
    never = asyncio.Event()
    slow = [FakeAnswer(200, {}, [b'{"choices":', never]) for _ in range(2)]
    rig.ports.fetch.script(ALPHA, slow[0])
    rig.ports.fetch.script(BETA, slow[1])
    disconnect = Disconnect()
    task = asyncio.create_task(rig.send(disconnect=disconnect))
    await asyncio.sleep(0.05)  # the second is asked after a millisecond
    await settle()
    assert len(rig.ports.fetch.calls) == 2
    disconnect.fire()
    never.set()
    await asyncio.wait_for(task, 5)
    assert all(answer.cancelled for answer in slow)
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="client_abort") == 2
    assert rig.events[0]["outcome"] == "client_abort"
