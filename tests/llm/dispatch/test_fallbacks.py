"""The next candidate: after a failure, before a stream's first event, past an open breaker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from lumigate.ports import FetchError, StreamInterrupted
from tests.fakes import CHAT_BODY, DONE_EVENT, STREAM, FakeAnswer, error_of, event, stream_answer, whole_body
from tests.ledger.rigs import LedgerPort, LedgerUnderTest
from tests.llm.dispatch.rig import (
    ALPHA,
    BETA,
    FAULTS_WORTH_A_RETRY,
    GAMMA,
    candidate,
    good,
    make_rig,
    refusal,
)

_KEY = {"authorization": "Bearer test-key-of-acme"}


FAULTS_OF_THE_CANDIDATE: dict[str, Callable[[], FakeAnswer | Exception]] = {
    "timeout": lambda: FetchError("timeout"),
    "our key": lambda: refusal(401),
    "our money": lambda: refusal(402),
    "no such model there": lambda: refusal(404),
    "html": lambda: FakeAnswer(200, {"content-type": "text/html"}, [b"<html>"]),
    "half a document": lambda: FakeAnswer(200, {}, [b'{"choices":[']),
}


@pytest.mark.parametrize("fault", [*FAULTS_WORTH_A_RETRY, *FAULTS_OF_THE_CANDIDATE])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_when_one_candidate_fails_the_next_answers(fault: str, stream: bool) -> None:
    if stream and fault == "half a document":
        pytest.skip("is no fault of a stream")
    make = FAULTS_WORTH_A_RETRY.get(fault) or FAULTS_OF_THE_CANDIDATE[fault]
    rig = make_rig("alpha", "beta")
    rig.ports.fetch.script(ALPHA, make(), make())
    rig.ports.fetch.script(BETA, stream_answer(*STREAM) if stream else good())
    response = await rig.send(body={**CHAT_BODY, "stream": stream})
    await whole_body(response)
    tries = 2 if fault in FAULTS_WORTH_A_RETRY else 1
    assert response.status == 200
    assert response.headers["x-lumigate-provider"] == "beta"
    assert response.headers["x-lumigate-attempts"] == str(tries + 1)
    assert rig.observed.total("lumigate.llm.fallbacks", gen_ai__request__model="alpha-model") == 1
    assert rig.observed.total("lumigate.llm.retries") == tries - 1
    (told,) = rig.events
    assert (told["outcome"], told["provider"], told["fallbacks"], told["attempts"]) == (
        "complete",
        "beta",
        1,
        tries + 1,
    )


async def test_the_trace_of_a_fallback_is_kept_whatever_the_share() -> None:
    rig = make_rig(
        "alpha", "beta", LUMIGATE_TRACES_SHARE="0", OTEL_EXPORTER_OTLP_ENDPOINT="https://otlp.example"
    )
    rig.ports.fetch.script(BETA, good(), good("again"))
    await rig.send()
    assert rig.events[0]["trace_kept"] is True


async def test_each_attempt_is_a_span_of_its_own() -> None:
    rig = make_rig("alpha", "beta")
    rig.ports.fetch.script(ALPHA, refusal(500), refusal(500))
    rig.ports.fetch.script(BETA, good())
    await rig.send()
    assert rig.observed.tree("lumigate.llm.attempt") == "\n".join(
        [
            "POST /v1/chat/completions [server]",
            "  auth.check",
            "  rate_limit.check",
            "  cache.lookup",
            "    cache.l1",
            "    cache.l2",
            "  llm.route",
            "  chat alpha-model [client] !upstream_failed 1",
            "  chat alpha-model [client] !upstream_failed 2",
            "  chat beta-model [client] 3",
        ]
    )


async def test_when_all_fail_the_last_failure_is_told() -> None:
    rig = make_rig("alpha", "beta")
    rig.ports.fetch.script(ALPHA, refusal(500), refusal(500))
    rig.ports.fetch.script(BETA, FetchError("timeout"))
    response = await rig.send()
    assert (response.status, error_of(response)["code"]) == (504, "upstream_timeout")
    assert response.headers["x-lumigate-attempts"] == "3"


async def test_a_candidate_that_cannot_do_it_is_passed_over_unasked() -> None:
    rig = make_rig(candidates=[{"provider": "cohere", "model": "command-a"}, candidate("beta")])
    rig.ports.fetch.script(BETA, good())
    response = await rig.send(body={**CHAT_BODY, "n": 2})
    assert (response.status, response.headers["x-lumigate-attempts"]) == (200, "1")
    assert [call.url for call in rig.ports.fetch.calls] == [BETA]


async def test_when_no_candidate_can_do_it_the_caller_is_told_who_cannot() -> None:
    rig = make_rig(
        candidates=[{"provider": "cohere", "model": "command-a"}, {"provider": "anthropic", "model": "c"}]
    )
    response = await rig.send(body={**CHAT_BODY, "n": 2})
    assert (response.status, error_of(response)["code"]) == (400, "unsupported_by_provider")
    assert rig.ports.fetch.calls == []


async def test_a_stream_that_fails_before_its_first_event_is_asked_of_the_next() -> None:
    rig = make_rig("alpha", "beta")
    overloaded = event({"error": {"message": "overloaded"}})
    rig.ports.fetch.script(ALPHA, stream_answer(overloaded), stream_answer(StreamInterrupted("connection")))
    rig.ports.fetch.script(BETA, stream_answer(*STREAM))
    response = await rig.send(body={**CHAT_BODY, "stream": True})
    assert (await whole_body(response)).endswith(DONE_EVENT)
    assert response.headers["x-lumigate-provider"] == "beta"
    assert rig.events[0]["outcome"] == "complete"


async def test_after_the_first_event_nothing_is_asked_again() -> None:
    rig = make_rig("alpha", "beta")
    rig.ports.fetch.script(ALPHA, stream_answer(STREAM[0], StreamInterrupted("connection")))
    rig.ports.fetch.script(BETA, stream_answer(*STREAM))
    response = await rig.send(body={**CHAT_BODY, "stream": True})
    body = await whole_body(response)
    assert body.startswith(STREAM[0])
    assert b"upstream_unreachable" in body
    assert [call.url for call in rig.ports.fetch.calls] == [ALPHA]
    assert rig.events[0]["outcome"] == "upstream_error"


async def test_a_provider_that_keeps_failing_is_passed_over_until_a_probe_succeeds() -> None:
    rig = make_rig("alpha", "beta", RETRY_ATTEMPTS="1")
    rig.ports.fetch.script(ALPHA, *[refusal(500) for _ in range(5)], good())
    rig.ports.fetch.script(BETA, *[good() for _ in range(20)])

    async def ask() -> str:
        response = await rig.send(headers={"cache-control": "no-store", **_KEY})
        return response.headers["x-lumigate-attempts"] + response.headers["x-lumigate-provider"]

    assert [await ask() for _ in range(5)] == ["2beta"] * 5
    assert await ask() == "1beta"
    rig.ports.clock.advance(16)
    assert await ask() == "1alpha"
    assert await ask() == "2beta"  # closed again: asked first, and out of answers
    states = ("open", "half_open", "closed")
    seen = [
        rig.observed.total("lumigate.llm.breaker.transitions", lumigate__llm__breaker__state=state)
        for state in states
    ]
    assert seen == [1, 1, 1]
    assert rig.observed.total("lumigate.llm.passed_over", gen_ai__provider__name="other") == 1


async def test_where_there_is_nobody_else_a_failing_provider_is_asked_all_the_same() -> None:
    rig = make_rig("alpha", RETRY_ATTEMPTS="1")
    rig.ports.fetch.script(ALPHA, *[refusal(500) for _ in range(8)], good())
    statuses = [(await rig.send()).status for _ in range(9)]
    assert statuses == [502] * 8 + [200]


async def test_of_many_at_once_one_probes_while_all_wait_for_their_ledger() -> None:
    limits = json.dumps({"*": {"requests_per_minute": 100}})
    rig = make_rig("alpha", "beta", RETRY_ATTEMPTS="1", TENANT_LIMITS=limits)
    ledger = LedgerUnderTest(rig.ports.clock)
    rig.ports.ledgers["acme"] = LedgerPort(ledger)
    rig.ports.fetch.script(ALPHA, *[refusal(500) for _ in range(5)], good())
    rig.ports.fetch.script(BETA, *[good() for _ in range(20)])
    fresh = {"cache-control": "no-store", **_KEY}
    for _ in range(5):
        await rig.send(headers=fresh)
    rig.ports.clock.advance(16)
    responses = await asyncio.gather(*(rig.send(headers=fresh) for _ in range(10)))
    assert [response.status for response in responses] == [200] * 10
    assert [call.url for call in rig.ports.fetch.calls].count(ALPHA) == 5 + 1
    ledger.close()


async def test_the_failing_stay_out_of_it_while_anybody_is_well() -> None:
    rig = make_rig("alpha", "beta", "gamma", RETRY_ATTEMPTS="1")
    fresh = {"cache-control": "no-store", **_KEY}
    rig.ports.fetch.script(ALPHA, *[refusal(500) for _ in range(6)])
    rig.ports.fetch.script(BETA, *[good() for _ in range(5)], refusal(500))
    for _ in range(5):
        await rig.send(headers=fresh)
    before = len(rig.ports.fetch.calls)
    assert (await rig.send(headers=fresh)).status == 502
    assert {call.url for call in rig.ports.fetch.calls[before:]} == {BETA, GAMMA}
