from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.llm.operator import OPERATOR_KEY, REFRESH_NS, OperatorWord, read_avoided, write_avoided
from tests.fakes import (
    NOW_SECONDS,
    FakeClock,
    FakeKeyValue,
    GatewayUnderTest,
    completion,
    json_answer,
    make_gateway,
)

NOW_NS = NOW_SECONDS * 1_000_000_000


async def test_a_provider_that_is_written_down_is_avoided_until_its_moment() -> None:
    store, word = FakeKeyValue(), OperatorWord()
    await write_avoided(store, {"openai": NOW_SECONDS + 60, "cohere": NOW_SECONDS - 1}, NOW_SECONDS)
    assert await read_avoided(store) == {"openai": NOW_SECONDS + 60}
    await word.read(store)
    assert word.avoids("openai", NOW_NS)
    assert not word.avoids("openai", NOW_NS + 60_000_000_000)
    assert not word.avoids("anthropic", NOW_NS)


async def test_nobody_left_to_avoid_leaves_nothing_behind() -> None:
    store = FakeKeyValue()
    await write_avoided(store, {"openai": NOW_SECONDS + 60}, NOW_SECONDS)
    await write_avoided(store, {}, NOW_SECONDS)
    assert await store.get(OPERATOR_KEY) is None


@pytest.mark.parametrize(
    "stored",
    [b"", b"[]", b"{", b'{"avoid": 5}', b'{"avoid": {"openai": "soon", "cohere": true}}', b"[" * 10_000],
)
async def test_nonsense_in_the_store_avoids_nobody(stored: bytes) -> None:
    store, word = FakeKeyValue(), OperatorWord()
    await store.put(OPERATOR_KEY, stored, ttl_seconds=60)
    await word.read(store)
    assert not word.avoids("openai", NOW_NS)


def test_one_request_of_a_period_reads_again() -> None:
    word = OperatorWord()
    assert [word.is_due(NOW_NS), word.is_due(NOW_NS), word.is_due(NOW_NS + REFRESH_NS)] == [True, False, True]


ALPHA, BETA = "https://alpha.example/chat/completions", "https://beta.example/chat/completions"


def two_providers(*, second: bool = True) -> GatewayUnderTest:
    routes: list[dict[str, Any]] = [{"provider": "alpha", "model": "a"}]
    if second:
        routes.append({"provider": "beta", "model": "b", "quality": 0.01})
    providers = {name: {"api": "openai", "base_url": f"https://{name}.example"} for name in ("alpha", "beta")}
    rig = make_gateway(MODELS=json.dumps({"fast": routes}), PROVIDERS=json.dumps(providers))
    for url in (ALPHA, BETA):
        rig.ports.fetch.script(url, *[json_answer(completion()) for _ in range(9)])
    return rig


async def answered_by(rig: GatewayUnderTest) -> str:
    headers = {"authorization": "Bearer test-key-of-acme", "cache-control": "no-store"}
    response = await rig.send(headers=headers)
    await rig.ports.background.run()
    return response.headers["x-lumigate-provider"]


async def test_requests_are_routed_away_from_it_and_come_back() -> None:
    rig = two_providers()
    assert await answered_by(rig) == "alpha"
    assert rig.ports.key_value is not None
    await write_avoided(rig.ports.key_value, {"alpha": NOW_SECONDS + 300}, NOW_SECONDS)
    clock: FakeClock = rig.ports.clock
    clock.advance(16)
    assert await answered_by(rig) == "alpha"  # what was known; the read goes on beside it
    assert await answered_by(rig) == "beta"
    clock.advance(300)
    assert await answered_by(rig) == "alpha"


async def test_with_nobody_else_to_ask_it_is_asked_all_the_same() -> None:
    rig = two_providers(second=False)
    assert rig.ports.key_value is not None
    await write_avoided(rig.ports.key_value, {"alpha": NOW_SECONDS + 300}, NOW_SECONDS)
    assert [await answered_by(rig) for _ in range(2)] == ["alpha", "alpha"]
