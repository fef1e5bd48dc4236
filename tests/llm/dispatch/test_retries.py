"""The same candidate again."""

from __future__ import annotations

import asyncio

import pytest

from lumigate.llm.retries import retry_after_seconds
from tests.fakes import NOW_SECONDS, FakeAnswer, error_of
from tests.llm.dispatch.rig import ALPHA, BETA, FAULTS_WORTH_A_RETRY, good, make_rig, refusal


@pytest.mark.parametrize("fault", FAULTS_WORTH_A_RETRY)
async def test_what_may_be_better_in_a_moment_is_asked_again(fault: str) -> None:
    rig = make_rig("alpha")
    rig.ports.fetch.script(ALPHA, FAULTS_WORTH_A_RETRY[fault](), good())
    response = await rig.send()
    assert response.status == 200
    assert response.headers["x-lumigate-attempts"] == "2"
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="ok") == 1
    assert rig.observed.total("lumigate.llm.attempts") == 2
    assert rig.observed.total("lumigate.llm.fallbacks") == 0
    assert rig.observed.total("lumigate.llm.retries", gen_ai__request__model="alpha-model") == 1
    attempts = [
        s.attributes["lumigate.llm.attempt"] for s in rig.observed.spans if s.name == "chat alpha-model"
    ]
    assert attempts == [1, 2]


async def test_the_wait_is_a_random_part_of_a_growing_time() -> None:
    rig = make_rig("alpha", RETRY_ATTEMPTS="5")
    rig.ports.fetch.script(ALPHA, *[refusal(500) for _ in range(5)])
    await rig.send()
    waits = rig.ports.clock.slept
    assert len(waits) == 4
    assert all(0 <= wait <= 0.25 * 2**number for number, wait in enumerate(waits))
    assert len(set(waits)) == 4


async def test_a_retry_after_is_waited_for() -> None:
    rig = make_rig("alpha")
    rig.ports.fetch.script(ALPHA, refusal(429, retry_after="3"), good())
    assert (await rig.send()).status == 200
    assert rig.ports.clock.slept == [3.0]


async def test_a_retry_after_beyond_our_patience_is_the_callers_to_know() -> None:
    rig = make_rig("alpha")
    rig.ports.fetch.script(ALPHA, refusal(429, retry_after="30"))
    response = await rig.send()
    assert (response.status, response.headers["retry-after"]) == (429, "30")
    assert rig.ports.clock.slept == []


async def test_waiting_for_a_provider_is_no_overhead_of_ours() -> None:
    rig = make_rig("alpha")
    rig.ports.fetch.script(ALPHA, refusal(429, retry_after="3"), good())
    await rig.send()
    (told,) = rig.events
    assert told["upstream_ms"] >= 3000


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_the_request_is_at_fault_for_is_asked_once(status: int) -> None:
    rig = make_rig("alpha", "beta")
    rig.ports.fetch.script(ALPHA, refusal(status))
    response = await rig.send()
    assert response.status == status
    assert [call.url for call in rig.ports.fetch.calls] == [ALPHA]


async def test_the_deadline_ends_all_attempts() -> None:
    rig = make_rig("alpha", "beta", RETRY_ATTEMPTS="5", REQUEST_DEADLINE_SECONDS="4")
    slow = [FakeAnswer(500, {}, [lambda: rig.ports.clock.advance(1.5), b"{}"]) for _ in range(9)]
    rig.ports.fetch.script(ALPHA, *[refusal(429, retry_after="1.9") for _ in range(5)])
    rig.ports.fetch.script(BETA, *slow)
    started = rig.ports.clock.now_ns()
    response = await rig.send()
    assert response.status in (429, 502)
    assert (rig.ports.clock.now_ns() - started) / 1e9 <= 5.6


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("0", 0.0),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("1e9", None),
        ("86400", 86_400.0),
        (" 3", 3.0),
        ("Tue, 14 Nov 2023 22:13:27 GMT", 7.0),
        ("Tue, 14 Nov 2023 22:13:19 GMT", 0.0),
        ("Tue, 99 Nov 2023 22:13:27 GMT", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW_SECONDS * 1_000_000_000) == seconds


async def test_a_whole_answer_that_dribbles_is_given_up_at_the_deadline() -> None:
    rig = make_rig("alpha", REQUEST_DEADLINE_SECONDS="1", RETRY_ATTEMPTS="1")
    dribble = FakeAnswer(200, {}, [b'{"choices":', asyncio.Event()])
    rig.ports.fetch.script(ALPHA, dribble)
    response = await asyncio.wait_for(rig.send(), 30)
    assert (response.status, error_of(response)["code"]) == (504, "upstream_timeout")
    assert dribble.cancelled
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="upstream_timeout") == 1


async def test_the_growing_time_doubles_and_may_be_waited_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig("alpha", RETRY_ATTEMPTS="5")
    monkeypatch.setattr(rig.ports.entropy, "random_bytes", lambda count: b"\xff" * count)
    rig.ports.fetch.script(ALPHA, *[refusal(500) for _ in range(5)])
    await rig.send()
    assert rig.ports.clock.slept == pytest.approx([0.25, 0.5, 1, 2], rel=1e-6)


async def test_while_there_is_someone_else_half_of_the_time_is_left_for_them() -> None:
    rig = make_rig("alpha", "beta", REQUEST_DEADLINE_SECONDS="8")
    rig.ports.fetch.script(ALPHA, refusal(429, retry_after="4.5"), good())
    rig.ports.fetch.script(BETA, good())
    response = await rig.send()
    assert response.headers["x-lumigate-provider"] == "beta"
    assert rig.ports.clock.slept == []
