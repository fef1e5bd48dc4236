"""What a tenant's limits let through, and what whoever is kept out is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from lumigate.ledger import TenantLimits
from tests.fakes import CHAT_BODY, UPSTREAM_URL, completion, error_of, fake_ports, json_answer, make_gateway
from tests.ledger.limited import (
    COST,
    DECISIONS,
    EVERYTHING,
    FRESH,
    LIMITS,
    SETTLEMENTS,
    after,
    ended,
    limited,
)
from tests.ledger.rigs import LedgerPort, LedgerUnderTest


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


@pytest.mark.parametrize(
    ("regions", "mark", "where"),
    [({}, {}, "world"), ({"acme": "eu"}, {}, "eu"), ({}, {"x-lumigate-region": "eu"}, "world")],
    ids=["no region", "a region of the tenant", "a mark of the request"],
)
async def test_a_tenant_has_one_ledger_in_its_own_region_whatever_a_request_says(
    regions: dict[str, str], mark: dict[str, str], where: str
) -> None:
    """Reserved, settled and shown there: a request that could choose would have two budgets."""
    models = {"fast": {"provider": "openai", "model": "gpt-4o-mini", "region": "eu"}}
    rig, world = limited(
        json_answer(completion()), MODELS=json.dumps(models), TENANT_REGIONS=json.dumps(regions)
    )
    eu = rig.ports.eu_ledgers["acme"] = LedgerPort(LedgerUnderTest(rig.ports.clock))
    response = await rig.send(headers={**FRESH, **mark})
    await ended(rig, response)
    assert (await rig.send("GET", "/v1/usage", body=b"")).status == 200
    calls = {"world": world.calls, "eu": eu.calls}
    assert response.status == 200
    assert calls == {"world": [], "eu": []} | {where: ["reserve", "settle", "usage"]}


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
