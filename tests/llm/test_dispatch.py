"""Retries, fallback and hedging: what is asked again, of whom, how long it is waited for, and what is told of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from lumigate.http.types import Disconnect
from lumigate.llm.dispatch import retry_after_seconds
from lumigate.ports import FetchError, StreamInterrupted
from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    NOW_SECONDS,
    STREAM,
    FakeAnswer,
    GatewayUnderTest,
    completion,
    error_of,
    event,
    json_answer,
    make_gateway,
    settle,
    stream_answer,
    whole_body,
)

_KEY = {"authorization": "Bearer test-key-of-acme"}
ALPHA, BETA, GAMMA = (f"https://{name}.example/chat/completions" for name in ("alpha", "beta", "gamma"))


def candidate(provider: str, **more: Any) -> dict[str, Any]:
    return {"provider": provider, "model": f"{provider}-model", "input_usd_per_mtok": 1, **more}


def make_rig(*names: str, candidates: list[dict[str, Any]] | None = None, **environ: Any) -> GatewayUnderTest:
    """A gateway whose alias `fast` stands for candidates of equal standing, in this order."""
    providers = ("alpha", "beta", "gamma")
    table = {"fast": candidates or [candidate(name) for name in names]}
    return make_gateway(
        MODELS=json.dumps(table),
        PROVIDERS=json.dumps({name: {"base_url": f"https://{name}.example"} for name in providers}),
        **{"RETRY_ATTEMPTS": "2", **environ},
    )


def refusal(status: int, **headers: str) -> FakeAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return json_answer({"error": {"message": "no"}}, status, named)


def good(content: str = "Hi.") -> FakeAnswer:
    return json_answer(completion(content))


FAULTS_WORTH_A_RETRY: dict[str, Callable[[], FakeAnswer | Exception]] = {
    "429": lambda: refusal(429),
    "408": lambda: refusal(408),
    "500": lambda: refusal(500),
    "503": lambda: refusal(503),
    "529": lambda: refusal(529),
    "reset": lambda: FetchError("connection"),
}
FAULTS_OF_THE_CANDIDATE: dict[str, Callable[[], FakeAnswer | Exception]] = {
    "timeout": lambda: FetchError("timeout"),
    "our key": lambda: refusal(401),
    "our money": lambda: refusal(402),
    "no such model there": lambda: refusal(404),
    "html": lambda: FakeAnswer(200, {"content-type": "text/html"}, [b"<html>"]),
    "half a document": lambda: FakeAnswer(200, {}, [b'{"choices":[']),
}


# --- the same candidate again


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
        ("Tue, 14 Nov 2023 22:13:27 GMT", 7.0),
        ("Tue, 14 Nov 2023 22:13:19 GMT", 0.0),
        ("Tue, 99 Nov 2023 22:13:27 GMT", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW_SECONDS * 1_000_000_000) == seconds


# --- the next candidate


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


# --- streams


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


# --- the breaker


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


async def test_a_whole_answer_that_dribbles_is_given_up_at_the_deadline() -> None:
    rig = make_rig("alpha", REQUEST_DEADLINE_SECONDS="0.2", RETRY_ATTEMPTS="1")
    dribble = FakeAnswer(200, {}, [b'{"choices":', asyncio.Event()])
    rig.ports.fetch.script(ALPHA, dribble)
    response = await asyncio.wait_for(rig.send(), 5)
    assert (response.status, error_of(response)["code"]) == (504, "upstream_timeout")
    assert dribble.cancelled
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="upstream_timeout") == 1


# --- hedging


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


# --- the client leaves


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
