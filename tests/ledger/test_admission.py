from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from lumigate.http.types import Disconnect, Response
from lumigate.ledger import TenantLimits
from lumigate.ports import FetchError
from tests.fakes import (
    CHAT_BODY,
    STREAM,
    UPSTREAM_URL,
    WITH_KEY,
    FakeAnswer,
    GatewayUnderTest,
    completion,
    error_of,
    fake_ports,
    json_answer,
    make_gateway,
    settle,
    stream_answer,
    whole_body,
)
from tests.ledger.rigs import LedgerPort, LedgerUnderTest

FRESH: Mapping[str, str] = {**WITH_KEY, "cache-control": "no-cache"}
EVERYTHING: Mapping[str, Any] = {
    "requests_per_minute": 100,
    "tokens_per_minute": 100_000,
    "usd_per_day": 5,
    "usd_per_month": 50,
}
LIMITS = TenantLimits(**EVERYTHING)
COST = 0.00045
"""Of `completion()`, in USD."""
DECISIONS, SETTLEMENTS = "lumigate.ledger.decisions", "lumigate.ledger.settlements"


def limited(
    *answers: FakeAnswer | Exception, limits: Mapping[str, Any] = EVERYTHING, **environ: Any
) -> tuple[GatewayUnderTest, LedgerPort]:
    """A gateway whose one tenant has limits, and that tenant's ledger."""
    ports = fake_ports()
    port = LedgerPort(LedgerUnderTest(ports.clock))
    ports.ledgers["acme"] = port
    ports.fetch.script(UPSTREAM_URL, *answers)
    rig = make_gateway(ports, TENANT_LIMITS=json.dumps({"acme": limits}), **environ)
    return rig, port


async def ended(rig: GatewayUnderTest, response: Response) -> bytes:
    """The whole answer, and everything that is done after it."""
    body = await whole_body(response)
    await after(rig)
    return body


async def after(rig: GatewayUnderTest) -> None:
    """Everything that was put off; what it records is looked at before a flush takes it away."""
    rig.observed.labels("")
    while rig.ports.background.waiting:
        await rig.ports.background.waiting.pop(0)
        rig.observed.labels("")


async def test_a_tenant_without_limits_is_asked_nothing_about() -> None:
    ports = fake_ports()
    port = LedgerPort(LedgerUnderTest(ports.clock))
    ports.ledgers["acme"] = port
    ports.fetch.script(UPSTREAM_URL, json_answer(completion()))
    rig = make_gateway(ports, TENANT_LIMITS=json.dumps({"other": EVERYTHING, "*": {}}))
    response = await rig.send()
    await ended(rig, response)
    assert (response.status, port.calls) == (200, [])
    assert "ratelimit" not in response.headers
    assert "ledger.reserve" not in [span.name for span in rig.observed.spans]


async def test_what_was_reserved_becomes_what_was_used() -> None:
    rig, port = limited(json_answer(completion()))
    response = await rig.send()
    used = port.ledger.usage(LIMITS)
    assert used["requests"] == (1, 0)
    assert used["day"][0] == 0
    assert used["day"][1] >= COST * 1e9, "what is reserved is an upper bound"
    await ended(rig, response)
    assert port.ledger.usage(LIMITS) == {
        "requests": (1, 0),
        "tokens": (1500, 0),
        "day": (450_000, 0),
        "month": (450_000, 0),
    }
    assert port.calls == ["reserve", "settle"]
    assert rig.observed.labels(SETTLEMENTS) == [{"lumigate.ledger.settlement": "settled"}]
    assert rig.observed.labels(DECISIONS) == [
        {"lumigate.ledger.result": "allowed", "lumigate.ledger.limit": "none"}
    ]
    span = rig.observed.span("ledger.reserve")
    assert span.attributes["lumigate.ledger.result"] == "allowed"
    assert float(str(span.attributes["lumigate.ledger.usd"])) > COST
    stats = rig.gateway.telemetry.stats()
    assert (dict(stats.misuse), dict(stats.errors)) == ({}, {})


async def test_the_answer_tells_of_the_limits_a_minute() -> None:
    rig, _ = limited(json_answer(completion()))
    headers = (await rig.send(body={**CHAT_BODY, "max_tokens": 100})).headers
    assert headers["ratelimit-policy"] == '"requests";q=100;w=60, "tokens";q=100000;w=60;qu="tokens"'
    assert headers["ratelimit"] == '"requests";r=99;t=61, "tokens";r=99894;t=61'
    assert {name: headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")} == {
        "limit": "100",
        "remaining": "99",
        "reset": "61",
    }
    assert headers["x-ratelimit-remaining-requests"] == "99"
    assert headers["x-ratelimit-reset-tokens"] == "61s"


@pytest.mark.parametrize(
    ("limits", "code", "period"),
    [
        ({"requests_per_minute": 1}, "rate_limited", "a minute"),
        ({"tokens_per_minute": 5_000}, "tokens_limited", "a minute"),
        ({"usd_per_day": 0.0028}, "budget_exceeded", "budget of the day"),
        ({"usd_per_month": 0.0028}, "budget_exceeded", "budget of the month"),
    ],
)
async def test_a_limit_that_is_used_up_is_a_429_that_names_it_and_says_when(
    limits: Mapping[str, Any], code: str, period: str
) -> None:
    rig, port = limited(json_answer(completion()), limits=limits)
    assert (await rig.send(headers=FRESH)).status == 200
    refused = await rig.send(headers=FRESH)
    error = error_of(refused)
    assert (refused.status, error["code"]) == (429, code)
    assert period in error["message"]
    assert int(refused.headers["retry-after"]) >= 1
    assert rig.events[-1]["outcome"] == "refused"
    assert len(rig.ports.fetch.calls) == 1
    await after(rig)
    assert port.calls == ["reserve", "reserve", "settle"], "who is refused settles nothing"
    refusals = [
        label for label in rig.observed.labels(DECISIONS) if label["lumigate.ledger.result"] == "refused"
    ]
    assert [label["lumigate.ledger.limit"] for label in refusals] == [
        {"requests_per_minute": "requests", "tokens_per_minute": "tokens"}.get(
            next(iter(limits)), next(iter(limits)).removeprefix("usd_per_")
        )
    ]


async def test_a_budget_that_is_spent_opens_again_with_the_next_day() -> None:
    rig, _ = limited(json_answer(completion()), json_answer(completion()), limits={"usd_per_day": 0.0028})
    await ended(rig, await rig.send(headers=FRESH))
    refused = await rig.send(headers=FRESH)
    assert (refused.status, refused.headers["x-should-retry"]) == (429, "false")
    rig.ports.clock.advance(int(refused.headers["retry-after"]))
    assert (await rig.send(headers=FRESH)).status == 200


async def test_anthropics_clients_are_refused_in_anthropics_words() -> None:
    rig, _ = limited(limits={"usd_per_day": 0})
    body = {**CHAT_BODY, "max_tokens": 10}
    refused = await rig.send(path="/v1/messages", body=body)
    assert isinstance(refused.body, bytes)
    answer = json.loads(refused.body)
    assert (refused.status, answer["type"], answer["error"]["type"]) == (429, "error", "rate_limit_error")


async def test_a_request_that_alone_is_too_much_is_told_to_be_smaller() -> None:
    rig, _ = limited(limits={"tokens_per_minute": 1000})
    refused = await rig.send(body={**CHAT_BODY, "max_tokens": 2000})
    assert error_of(refused)["param"] == "max_tokens"
    assert "retry-after" not in refused.headers
    assert refused.headers["x-should-retry"] == "false"


async def test_a_request_without_a_cap_is_not_kept_out_by_what_it_might_need() -> None:
    rig, _ = limited(json_answer(completion()), limits={"tokens_per_minute": 1000})
    assert (await rig.send()).status == 200


async def test_a_hit_counts_as_a_request_and_costs_nothing() -> None:
    rig, port = limited(json_answer(completion()))
    await ended(rig, await rig.send())
    spent = port.ledger.usage(LIMITS)
    hit = await rig.send()
    await ended(rig, hit)
    assert hit.headers["x-lumigate-cache"] == "hit-l1"
    assert port.ledger.usage(LIMITS) == spent | {"requests": (2, 0)}
    assert port.calls == ["reserve", "settle", "reserve"]


@pytest.mark.parametrize("limits", [EVERYTHING, {"usd_per_day": 5}])
async def test_what_is_asked_anew_beside_a_stale_hit_is_paid_for_and_holds_nothing(
    limits: Mapping[str, Any],
) -> None:
    rig, port = limited(json_answer(completion()), json_answer(completion()), limits=limits)
    await ended(rig, await rig.send(headers={**WITH_KEY, "x-lumigate-cache-ttl": "10"}))
    rig.ports.clock.advance(11)
    stale = await rig.send()
    assert stale.headers["x-lumigate-cache"] == "stale-l1"
    await ended(rig, stale)
    assert len(rig.ports.fetch.calls) == 2
    assert port.ledger.usage(TenantLimits(**limits))["day"] == (900_000, 0)


async def test_an_embedding_for_the_cache_is_paid_for_apart_and_lets_nothing_else_through() -> None:
    priced = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 1.0}
    models = {
        "fast": {"provider": "openai", "model": "gpt-4o-mini", **priced},
        "vectors": {"provider": "openai", "model": "text-embedding-3-small", **priced},
    }
    limits = TenantLimits(tokens_per_minute=2000, usd_per_day=5)
    rig, port = limited(
        *(json_answer(completion()) for _ in range(2)),
        limits={"tokens_per_minute": 2000, "usd_per_day": 5},
        MODELS=json.dumps(models),
        CACHE_NEAR_THRESHOLD="0.8",
        CACHE_NEAR_EMBEDDING_MODEL="vectors",
    )
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    for vector in ([1.0, 0.0], [0.0, 1.0]):
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        answer = {"object": "list", "data": data, "model": "e", "usage": usage}
        rig.ports.fetch.script(UPSTREAM_URL.replace("chat/completions", "embeddings"), json_answer(answer))

    async def asked(text: str) -> Response:
        response = await rig.send(
            body={**CHAT_BODY, "messages": [{"role": "user", "content": text}], "max_tokens": 1000}
        )
        await ended(rig, response)
        return response

    assert (await asked("What is the capital of France?")).status == 200
    # In millionths of a dollar, of which a token costs one here: nothing is counted twice, nothing is still held.
    assert port.ledger.usage(limits) == {"tokens": (1505, 0), "day": (1_505_000, 0)}
    assert (await asked("what's the capital of france")).status == 429, (
        "it leaves room for the embedding only"
    )
    assert len(rig.ports.fetch.calls) == 3
    assert port.ledger.usage(limits) == {"tokens": (1510, 0), "day": (1_510_000, 0)}


async def test_a_hit_of_a_tenant_that_has_only_a_budget_asks_nobody_even_if_it_is_spent() -> None:
    rig, port = limited(json_answer(completion()), limits={"usd_per_day": 0.0028})
    await ended(rig, await rig.send())
    assert (await rig.send(headers=FRESH)).status == 429
    assert (await rig.send()).status == 200
    assert port.calls == ["reserve", "settle", "reserve"]


async def test_a_class_and_everyone_have_limits_too_and_each_tenant_has_them_whole() -> None:
    for key in ("class:gold", "*"):
        ports = fake_ports()
        port = LedgerPort(LedgerUnderTest(ports.clock))
        ports.ledgers["acme"] = port
        rig = make_gateway(
            ports,
            TENANT_LIMITS=json.dumps({key: {"requests_per_minute": 0}}),
            TENANT_CLASSES='{"acme": "gold"}',
        )
        assert (await rig.send()).status == 429


# --- streams


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


async def test_embeddings_are_limited_too() -> None:
    url = UPSTREAM_URL.replace("chat/completions", "embeddings")
    vectors = {
        "object": "list",
        "model": "e",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 40, "total_tokens": 40},
    }
    rig, port = limited(limits=EVERYTHING)
    rig.ports.fetch.script(url, json_answer(vectors))
    body = {"model": "fast", "input": ["word " * 100, "word " * 60]}
    response = await rig.send(path="/v1/embeddings", body=body)
    assert response.status == 200
    assert port.ledger.usage(LIMITS)["tokens"] == (200, 0), "four characters a token"
    await ended(rig, response)
    assert port.ledger.usage(LIMITS)["tokens"] == (40, 0)
    assert port.ledger.usage(LIMITS)["day"] == (6_000, 0)


# --- when the ledger is not there


async def test_a_ledger_that_fails_once_is_asked_again_and_reserves_once() -> None:
    rig, port = limited(json_answer(completion()))
    port.faults, port.loses_answers = [OSError("moved")], True
    assert (await rig.send()).status == 200
    assert port.calls == ["reserve", "reserve"]
    assert port.ledger.usage(LIMITS)["requests"] == (1, 0)


async def test_a_ledger_that_fails_refuses_and_what_it_may_have_reserved_is_given_back() -> None:
    rig, port = limited(json_answer(completion()))
    port.faults, port.loses_answers = [OSError("gone"), OSError("gone")], True
    response = await rig.send()
    assert (response.status, error_of(response)["code"]) == (503, "limits_unavailable")
    assert response.headers["retry-after"] == "5"
    assert port.ledger.usage(LIMITS)["day"][1] > 0
    await after(rig)
    assert port.ledger.usage(LIMITS)["day"] == (0, 0)
    assert rig.ports.fetch.calls == []
    assert rig.observed.labels(DECISIONS) == [
        {"lumigate.ledger.result": "unavailable", "lumigate.ledger.limit": "none"}
    ]


async def test_or_lets_pass_and_charges_later_where_the_setting_says_so() -> None:
    rig, port = limited(json_answer(completion()), LEDGER_FAILURE="open")
    port.faults = [OSError("gone"), OSError("gone")]
    response = await rig.send()
    await ended(rig, response)
    assert response.status == 200
    assert port.ledger.usage(LIMITS)["day"] == (450_000, 0)
    assert rig.observed.labels(SETTLEMENTS) == [{"lumigate.ledger.settlement": "late"}]


@pytest.mark.parametrize(("setting", "status"), [("open", 200), ("closed", 503)])
async def test_a_ledger_that_says_nothing_cannot_hold_a_request_up(setting: str, status: int) -> None:
    rig, port = limited(json_answer(completion()), LEDGER_FAILURE=setting, LEDGER_TIMEOUT_MS=5)
    port.silent = True
    assert (await rig.send()).status == status
    assert port.calls == ["reserve"]


async def test_a_deployment_without_ledgers_has_limits_that_cannot_be_checked() -> None:
    rig, _ = limited(json_answer(completion()))
    rig.ports.ledgers.clear()
    assert (await rig.send()).status == 503


async def test_an_answer_that_is_none_counts_as_no_answer() -> None:
    rig, port = limited()

    async def nonsense(text: str, *, timeout_seconds: float) -> str:
        await asyncio.sleep(0)
        return "{}"

    port.reserve = nonsense  # type: ignore[method-assign]
    assert (await rig.send()).status == 503


async def test_a_settlement_is_tried_again_and_counts_once() -> None:
    rig, port = limited(json_answer(completion()))
    response = await rig.send()
    port.faults, port.loses_answers = [OSError("moved"), OSError("moved")], True
    await ended(rig, response)
    assert port.calls == ["reserve", "settle", "settle", "settle"]
    assert port.ledger.usage(LIMITS)["day"] == (450_000, 0)
    assert rig.observed.labels(SETTLEMENTS) == [{"lumigate.ledger.settlement": "duplicate"}]


async def test_a_settlement_that_nobody_takes_is_counted_as_lost_and_its_money_released_later() -> None:
    rig, port = limited(json_answer(completion()), json_answer(completion()), LEDGER_LEASE_SECONDS=30)
    response = await rig.send()
    port.faults = [OSError("gone")] * 4
    await ended(rig, response)
    assert rig.observed.labels(SETTLEMENTS) == [{"lumigate.ledger.settlement": "lost"}]
    assert port.ledger.usage(LIMITS)["day"][1] > 0
    rig.ports.clock.advance(30)
    assert port.ledger.usage(LIMITS)["day"] == (0, 0)
    await rig.send(headers=FRESH)
    assert rig.observed.total("lumigate.ledger.expired") == 1


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


async def test_many_at_once_never_pass_more_than_the_budget_holds() -> None:
    """Each reserves 0.001 USD and costs 0.00045: ten of them fit at once, and the rest is refused."""
    rig, port = limited(*[json_answer(completion()) for _ in range(200)], limits={"usd_per_day": 0.01})
    body = {**CHAT_BODY, "max_tokens": 1662}
    responses = await asyncio.gather(*(rig.send(headers=FRESH, body=body) for _ in range(200)))
    passed = [r for r in responses if r.status == 200]
    spent, reserved = port.ledger.usage(TenantLimits(usd_per_day=0.01))["day"]
    assert spent + reserved <= 10_000_000
    assert len(passed) == len(rig.ports.fetch.calls) == 10
    await after(rig)
    assert port.ledger.usage(TenantLimits(usd_per_day=0.01))["day"] == (4_500_000, 0)


# --- GET /v1/usage


async def test_a_tenant_reads_where_it_stands() -> None:
    rig, _ = limited(json_answer(completion()))
    await ended(rig, await rig.send())
    answer = await rig.send("GET", "/v1/usage")
    assert isinstance(answer.body, bytes)
    told = json.loads(answer.body)
    assert (told["object"], told["tenant"], told["class"]) == ("usage", "acme", "standard")
    day = told["limits"]["usd_per_day"]
    assert {name: day[name] for name in ("limit", "used", "reserved", "remaining")} == {
        "limit": 5.0,
        "used": 0.00045,
        "reserved": 0.0,
        "remaining": 4.99955,
    }
    assert 0 < day["resets_in_seconds"] <= 86_400
    assert told["limits"]["requests_per_minute"]["used"] == 1
    assert answer.headers["cache-control"] == "no-store"


async def test_a_tenant_without_limits_reads_that_it_has_none() -> None:
    rig = make_gateway()
    answer = await rig.send("GET", "/v1/usage")
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["limits"] == {}


async def test_usage_that_cannot_be_read_is_a_503() -> None:
    rig, port = limited()
    port.faults = [OSError("gone"), OSError("gone")]
    assert (await rig.send("GET", "/v1/usage")).status == 503
