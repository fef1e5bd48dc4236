from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lumigate.config import ModelRoute
from lumigate.errors import UnknownModel
from lumigate.llm.chat import ChatRequest
from lumigate.llm.router import SNAPSHOT_KEY, Router
from tests.fakes import (
    CHAT_BODY,
    STREAM,
    UPSTREAM_URL,
    GatewayUnderTest,
    completion,
    error_of,
    json_answer,
    make_gateway,
    make_scope,
    make_settings,
    stream_answer,
    whole_body,
)


def make_router(**models: tuple[ModelRoute, ...]) -> Router:
    settings = make_settings()
    return Router(replace(settings, models=models) if models else settings)


def test_a_policy_changes_when_the_table_does() -> None:
    one = make_router(fast=(ModelRoute(provider="openai", model="a"),)).policy("fast")
    other = make_router(fast=(ModelRoute(provider="openai", model="b"),)).policy("fast")
    assert one != other


def test_data_of_a_region_is_kept_apart_where_the_same_candidates_may_answer_both() -> None:
    """An isolate's memory serves all requests: what one marked for the EU left there is for such ones only."""
    router = make_router(fast=(ModelRoute(provider="openai", model="a", region="eu"),))
    assert router.policy("fast", "DE", "eu") != router.policy("fast", "DE")


@pytest.mark.parametrize(
    ("model", "hint"),
    [("fst", "Did you mean fast?"), ("FAST", "GET /v1/models"), ("\ud800", "GET /v1/models")],
)
def test_an_unknown_model_is_404_with_the_closest_names(model: str, hint: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        make_router().policy(model)
    assert caught.value.status == 404
    assert hint in caught.value.message


def test_the_choice_is_a_span() -> None:
    rig = make_scope()
    (target,) = make_router().choose(rig.scope, ChatRequest.parse(dict(CHAT_BODY)))
    assert (target.route.provider, target.route.model) == ("openai", "gpt-4o-mini")
    assert rig.observed.span("llm.route").attributes == {
        "lumigate.model.alias": "fast",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "lumigate.route.candidates": 1,
        "lumigate.route.order": ["openai/gpt-4o-mini"],
        "lumigate.geo.policy": "none",
        "lumigate.geo.excluded": 0,
    }
    assert rig.observed.total("lumigate.route.duration") == 1


def gateway_of(*candidates: dict[str, Any], **environ: Any) -> GatewayUnderTest:
    rig = make_gateway(MODELS=json.dumps({"fast": list(candidates)}), **environ)
    rig.ports.fetch.script(UPSTREAM_URL, *[json_answer(completion()) for _ in range(9)])
    return rig


EU = {"provider": "openai", "model": "eu-model", "region": "eu"}
US = {"provider": "openai", "model": "us-model", "region": "us", "quality": 1}


async def test_the_geographic_policy_filters_first_and_is_recorded() -> None:
    """The request of the fakes comes from Germany."""
    rig = gateway_of(US, EU, GEO_POLICY="eu-only")
    assert (await rig.send()).status == 200
    assert rig.events[0]["model"] == "eu-model"
    told = rig.observed.span("llm.route").attributes
    assert (told["lumigate.geo.policy"], told["lumigate.geo.excluded"]) == ("eu-only", 1)
    assert told["lumigate.route.order"] == ["openai/eu-model"]


@pytest.mark.parametrize(
    ("candidates", "environ"),
    [
        ((US,), {"GEO_POLICY": "eu-only"}),
        ((EU,), {"GEO_DENY_COUNTRIES": "DE,FR"}),
        ((EU,), {"GEO_ALLOW_COUNTRIES": "US"}),
    ],
)
async def test_a_caller_whom_nobody_may_answer_is_refused(
    candidates: tuple[dict[str, Any], ...], environ: dict[str, str]
) -> None:
    rig = gateway_of(*candidates, **environ)
    response = await rig.send()
    assert (response.status, error_of(response)["code"]) == (403, "geo_denied")
    assert rig.ports.fetch.calls == []


def test_the_words_of_a_candidate_that_may_not_answer_a_caller_are_not_in_their_cache() -> None:
    settings = make_settings(MODELS=json.dumps({"fast": [EU, US]}), GEO_POLICY="eu-only")
    router = Router(settings)
    assert router.policy("fast", "US") == "openai/eu-model|openai/us-model"
    assert router.policy("fast", "DE") == "openai/eu-model"


async def test_the_better_candidate_is_asked_first() -> None:
    rig = gateway_of(EU, US)
    await rig.send()
    assert rig.events[0]["model"] == "us-model"


async def test_what_streams_have_taken_decides_whom_the_next_one_asks() -> None:
    rig = make_gateway(MODELS=json.dumps({"fast": [EU, {**US, "quality": 0.5}]}), ROUTING_WEIGHTS="latency=1")
    tick = rig.ports.clock.advance
    slow = stream_answer(lambda: tick(2), *STREAM)
    quick = stream_answer(lambda: tick(0.1), *STREAM)
    rig.ports.fetch.script(UPSTREAM_URL, slow, quick, stream_answer(*STREAM))
    for number in range(3):
        body = {**CHAT_BODY, "stream": True, "seed": number}
        await whole_body(await rig.send(body=body))
    assert [told["model"] for told in rig.events] == ["eu-model", "us-model", "us-model"]


async def test_the_cron_run_writes_down_what_is_known_and_another_isolate_reads_it() -> None:
    rig = gateway_of(EU, US)
    await rig.send()
    await rig.gateway.scheduled(rig.ports)
    stored = json.loads(rig.ports.key_value.values[SNAPSHOT_KEY])  # type: ignore[union-attr]
    assert "openai/us-model" in stored["latency_ms"]
    other = gateway_of(EU, US)
    other.ports.key_value = rig.ports.key_value
    await other.send()
    await other.ports.background.run()
    assert other.gateway._router.health.latency_ms("openai/us-model", stream=False) is not None


@pytest.mark.parametrize("stored", [b"", b"[]", b"{", b'{"latency_ms":5}'])
async def test_a_snapshot_that_is_broken_harms_nobody(stored: bytes) -> None:
    rig = gateway_of(EU, US)
    rig.ports.key_value.values[SNAPSHOT_KEY] = stored  # type: ignore[union-attr]
    assert (await rig.send()).status == 200
    await rig.ports.background.run()


# --- money


async def test_a_request_that_could_cost_too_much_is_refused_before_it_is_sent() -> None:
    dear = {**EU, "output_usd_per_mtok": 1000}
    rig = gateway_of(dear, MAX_REQUEST_COST_USD="0.5")
    response = await rig.send(body={**CHAT_BODY, "max_tokens": 1000})
    assert (response.status, error_of(response)["code"]) == (400, "cost_ceiling_exceeded")
    assert rig.ports.fetch.calls == []
    assert (await rig.send(body={**CHAT_BODY, "max_tokens": 100})).status == 200


async def test_embeddings_have_a_ceiling_too() -> None:
    rig = gateway_of(
        {**EU, "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 0}, MAX_REQUEST_COST_USD="0.001"
    )
    small, large = [
        await rig.send("POST", "/v1/embeddings", body={"model": "fast", "input": ["word " * count]})
        for count in (10, 10_000)
    ]
    assert error_of(large)["code"] == "cost_ceiling_exceeded"
    assert small.status != 400


async def test_a_dearer_candidate_is_left_out_where_a_cheaper_one_will_do() -> None:
    rig = gateway_of(
        {**US, "output_usd_per_mtok": 1000}, {**EU, "output_usd_per_mtok": 1}, MAX_REQUEST_COST_USD="0.5"
    )
    await rig.send()
    assert rig.events[0]["model"] == "eu-model"


async def test_a_model_without_a_price_is_counted_by_name() -> None:
    rig = gateway_of(EU)
    await rig.send()
    assert rig.observed.total("lumigate.llm.unpriced", gen_ai__request__model="eu-model") == 1
    assert rig.observed.total("lumigate.llm.cost") == 0


async def test_a_cost_is_estimated_and_marked_so_where_no_usage_is_sent() -> None:
    rig = make_gateway()
    rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion("word " * 100, usage=None)))
    await rig.send()
    (told,) = rig.events
    assert told["cost_estimated"] is True
    assert told["cost_usd"] > 0
    assert (
        rig.observed.total("lumigate.llm.cost", lumigate__llm__cost__source="estimated") == told["cost_usd"]
    )


async def test_costs_are_counted_by_the_class_of_the_tenant() -> None:
    rig = make_gateway(TENANT_CLASSES='{"acme": "gold"}')
    rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion()))
    await rig.send()
    assert rig.observed.total("lumigate.llm.cost", lumigate__tenant__class="gold") == pytest.approx(0.00045)
    assert rig.events[0]["tenant_class"] == "gold"
