"""A slow candidate is raced by the next."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from lumigate.http.types import Disconnect
from tests.fakes import CHAT_BODY, STREAM, FakeAnswer, error_of, settle, stream_answer, whole_body
from tests.llm.dispatch.rig import ALPHA, BETA, GAMMA, good, make_rig, refusal


async def test_a_slow_candidate_is_raced_by_the_next_and_the_loser_is_dropped() -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="1")
    never = asyncio.Event()
    slow = FakeAnswer(200, {}, [b'{"choices":', never])
    rig.ports.fetch.script(ALPHA, slow)
    rig.ports.fetch.script(BETA, good("quick"))
    response = await asyncio.wait_for(rig.send(), 30)
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
    rig = make_rig("alpha", "beta", "gamma", HEDGE_AFTER_MS="1", RETRY_ATTEMPTS="1")
    rig.ports.fetch.script(GAMMA, good())
    response = await rig.send()
    assert response.headers["x-lumigate-provider"] == "gamma"
    assert [call.url for call in rig.ports.fetch.calls] == [ALPHA, BETA, GAMMA]


async def test_when_both_of_a_race_fail_and_there_is_no_third_the_last_failure_is_told() -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="1", RETRY_ATTEMPTS="1")
    rig.ports.fetch.script(BETA, refusal(503))
    response = await rig.send()
    assert (response.status, error_of(response)["code"]) == (502, "upstream_failed")
    assert "beta" in error_of(response)["message"]


async def test_a_client_that_leaves_the_stream_of_a_winner_stops_the_winner() -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="1")
    never = asyncio.Event()
    slow = stream_answer(never)
    won = stream_answer(STREAM[0], never, *STREAM[1:])
    rig.ports.fetch.script(ALPHA, slow)
    rig.ports.fetch.script(BETA, won)
    disconnect = Disconnect()
    response = await asyncio.wait_for(rig.send(body={**CHAT_BODY, "stream": True}, disconnect=disconnect), 30)
    assert response.headers["x-lumigate-provider"] == "beta"
    assert isinstance(response.body, AsyncIterator)
    assert await anext(response.body) == STREAM[0]
    disconnect.fire()
    assert won.cancelled
    results = [labels["lumigate.llm.result"] for labels in rig.observed.labels("lumigate.llm.attempts")]
    assert sorted(map(str, results)) == ["client_abort", "hedge_lost"]
    never.set()
    await whole_body(response)


async def test_a_client_that_leaves_a_race_stops_both(caplog: pytest.LogCaptureFixture) -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="1")
    never = asyncio.Event()
    slow = [FakeAnswer(200, {}, [b'{"choices":', never]) for _ in range(2)]
    rig.ports.fetch.script(ALPHA, slow[0])
    rig.ports.fetch.script(BETA, slow[1])
    disconnect = Disconnect()
    task = asyncio.create_task(rig.send(disconnect=disconnect))
    async with asyncio.timeout(30):
        while len(rig.ports.fetch.calls) < 2:  # noqa: ASYNC110 - the second is asked after a millisecond
            await asyncio.sleep(0.001)
    await settle()
    disconnect.fire()
    never.set()
    await asyncio.wait_for(task, 30)
    assert all(answer.cancelled for answer in slow)
    del task
    gc.collect()
    assert not [record for record in caplog.records if "never retrieved" in record.getMessage()]
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="client_abort") == 2
    assert rig.events[0]["outcome"] == "client_abort"
