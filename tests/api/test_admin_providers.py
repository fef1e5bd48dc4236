from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.fakes import NOW_SECONDS, GatewayUnderTest, completion, json_answer, make_gateway

ADMIN_KEY = "the operators key"
AS_ADMIN = {"authorization": f"Bearer {ADMIN_KEY}", "cache-control": "no-store"}
AS_CALLER = {"authorization": "Bearer an ordinary key"}


def gateway(**more: Any) -> GatewayUnderTest:
    keys = [f"ops:{hashlib.sha256(ADMIN_KEY.encode()).hexdigest()}:admin"]
    keys.append(f"acme:{hashlib.sha256(b'an ordinary key').hexdigest()}")
    routes = [{"provider": "alpha", "model": "a"}, {"provider": "beta", "model": "b", "quality": 0.01}]
    urls = {name: f"https://{name}.example" for name in ("alpha", "beta")}
    rig = make_gateway(
        API_KEYS=",".join(keys),
        MODELS=json.dumps({"fast": routes}),
        PROVIDERS=json.dumps({name: {"api": "openai", "base_url": url} for name, url in urls.items()}),
        **more,
    )
    for url in urls.values():
        rig.ports.fetch.script(f"{url}/chat/completions", *[json_answer(completion()) for _ in range(9)])
    return rig


async def ask(
    rig: GatewayUnderTest, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    method = "GET" if body is None else "POST"
    response = await rig.send(
        method, "/admin/providers", headers=headers or AS_ADMIN, body=b"" if body is None else body
    )
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


async def answered_by(rig: GatewayUnderTest) -> str:
    return (await rig.send(headers=AS_ADMIN)).headers["x-lumigate-provider"]


async def test_a_provider_is_routed_away_from_and_taken_back() -> None:
    rig = gateway()
    assert await answered_by(rig) == "alpha"
    status, said = await ask(rig, {"provider": "alpha", "avoid_seconds": 600})
    assert status == 200
    assert said["data"] == [
        {"provider": "alpha", "avoided_until": NOW_SECONDS + 600, "breaker": "closed"},
        {"provider": "beta", "avoided_until": None, "breaker": "closed"},
    ]
    assert said["effective_within_seconds"] == 75
    assert await answered_by(rig) == "beta"
    assert (await ask(rig))[1]["data"] == said["data"]
    _, said = await ask(rig, {"provider": "alpha", "avoid_seconds": 0})
    assert said["data"][0]["avoided_until"] is None
    assert await answered_by(rig) == "alpha"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"provider": "gamma", "avoid_seconds": 1}, "provider"),
        ({"provider": "alpha", "avoid_seconds": -1}, "avoid_seconds"),
        ({"provider": "alpha", "avoid_seconds": 86_401}, "avoid_seconds"),
        ({"provider": "alpha"}, "avoid_seconds"),
        ({"avoid_seconds": 5}, "provider"),
        ({"provider": "alpha", "avoid_seconds": 5, "why": "x"}, None),
    ],
)
async def test_what_makes_no_sense_is_a_400_that_names_it(body: Any, named: str | None) -> None:
    status, said = await ask(gateway(), body)
    assert (status, said["error"]["param"]) == (400, named)


async def test_only_operators_may_say_so() -> None:
    status, said = await ask(gateway(), {"provider": "alpha", "avoid_seconds": 5}, AS_CALLER)
    assert (status, said["error"]["code"]) == (403, "missing_scope")


async def test_a_store_that_fails_is_a_503() -> None:
    rig = gateway()
    assert rig.ports.key_value is not None
    rig.ports.key_value.fault = RuntimeError("down")
    status, _ = await ask(rig)
    assert status == 503


async def test_without_a_store_it_says_so() -> None:
    rig = gateway()
    rig.ports.key_value = None
    status, said = await ask(rig)
    assert (status, said["error"]["code"]) == (501, "not_configured")


async def test_how_a_breaker_stands_is_told() -> None:
    rig = gateway()
    breaker = rig.gateway._router.health.breaker("alpha")
    states = []
    for _ in range(5):
        breaker.failed(rig.ports.clock.now_ns())
    for pause in (0, 16):
        rig.ports.clock.advance(pause)
        states.append((await ask(rig))[1]["data"][0]["breaker"])
    assert states == ["open", "half_open"]
