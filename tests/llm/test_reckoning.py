"""What is reckoned with a request's numbers stays a number, whatever they are: costs, ranks, reservations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import json_answer
from tests.fakes.gateway import CHAT_BODY, UPSTREAM_URL, WITH_KEY, completion, error_of, make_gateway

TWO = {
    "fast": [
        {"provider": "openai", "model": "gpt-4o-mini"},
        {"provider": "mistral", "model": "mistral-small-latest"},
    ]
}


@pytest.mark.parametrize(
    "settings",
    [
        {"MAX_REQUEST_COST_USD": "0.5"},
        {"MODELS": json.dumps(TWO)},
        {"TENANT_LIMITS": '{"*": {"tokens_per_minute": 1000, "usd_per_day": 1}}'},
    ],
    ids=["ceiling", "ranking", "ledger"],
)
@pytest.mark.parametrize("tokens", [2**31, 2**64, 10**400])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_cap_beyond_all_numbers_is_a_400(settings: dict[str, Any], tokens: int, path: str) -> None:
    rig = make_gateway(**settings)
    response = await rig.send(path=path, headers=WITH_KEY, body={**CHAT_BODY, "max_tokens": tokens})
    assert response.status == 400
    assert error_of(response)["param"] == "max_tokens"
    assert rig.ports.fetch.calls == []


async def test_the_ceiling_of_a_request_counts_every_answer_that_is_asked_for() -> None:
    rig = make_gateway(MAX_REQUEST_COST_USD="0.01")  # 16,000 tokens at 0.6 USD a million
    asked = {**CHAT_BODY, "max_tokens": 1000}
    response = await rig.send(body={**asked, "n": 128})
    assert (response.status, error_of(response)["code"]) == (400, "cost_ceiling_exceeded")
    assert rig.ports.fetch.calls == []


OLDER = {"fast": {"provider": "anthropic", "model": "claude-sonnet-4-0", "output_usd_per_mtok": 15}}


async def test_thoughts_that_a_provider_counts_over_the_cap_count_for_the_ceiling() -> None:
    rig = make_gateway(MODELS=json.dumps(OLDER), ANTHROPIC_API_KEY="k", MAX_REQUEST_COST_USD="0.1")
    asked = {**CHAT_BODY, "max_tokens": 5, "reasoning_effort": "high"}  # 16,384 tokens for 0.25 USD
    response = await rig.send(body=asked)
    assert (response.status, error_of(response)["code"]) == (400, "cost_ceiling_exceeded")
    assert rig.ports.fetch.calls == []


@pytest.mark.parametrize(("tier", "status"), [("priority", 400), ("default", 200)])
async def test_a_dearer_service_tier_counts_for_the_ceiling(tier: str, status: int) -> None:
    model = {"provider": "openai", "model": "gpt-5"}
    rig = make_gateway(
        MODELS=json.dumps({"fast": model}), MAX_REQUEST_COST_USD="0.015"
    )  # 1,500 tokens at 10 USD
    rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion()))
    response = await rig.send(body={**CHAT_BODY, "max_tokens": 1000, "service_tier": tier})
    assert response.status == status
