"""What an answer out of the cache costs its tenant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lumigate.http.types import Response
from lumigate.ledger import TenantLimits
from tests.fakes import CHAT_BODY, UPSTREAM_URL, WITH_KEY, completion, json_answer
from tests.ledger.limited import EVERYTHING, FRESH, LIMITS, ended, limited


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
