"""Who is bound to a region, and what is left to a request that is."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lumigate.region import ConfinedPorts, everywhere, outside
from tests.fakes import (
    CHAT_BODY,
    UPSTREAM_URL,
    FakeAnswer,
    FakeBlobs,
    FakeSessions,
    GatewayUnderTest,
    completion,
    error_of,
    fake_ports,
    json_answer,
    key_set,
    make_claims,
    make_gateway,
    make_scope,
    make_token,
    whole_body,
)
from tests.fakes.settings import JWKS_URL

KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()
MODELS = json.dumps(
    {
        "fast": [
            {"provider": "openai", "model": "us-model", "region": "us"},
            {"provider": "openai", "model": "eu-model", "region": "eu"},
        ],
        "far": {"provider": "openai", "model": "us-model", "region": "us"},
    }
)
EU = {"x-lumigate-region": "eu"}


def bearer(**claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {make_token(make_claims(**claims))}"}


def rig(*answers: FakeAnswer, **environ: Any) -> GatewayUnderTest:
    ports = fake_ports(blobs=FakeBlobs(), eu_blobs=FakeBlobs())
    ports.fetch.script(JWKS_URL, key_set("k1"))
    ports.fetch.script(UPSTREAM_URL, *(answers or [json_answer(completion()) for _ in range(4)]))
    settings = {"MODELS": MODELS, "SEALING_KEYS": KEYS, "JWT_REGION_CLAIM": "region"} | environ
    return make_gateway(ports, **settings)


def asked_models(under_test: GatewayUnderTest) -> list[str]:
    calls = [call for call in under_test.ports.fetch.calls if call.url == UPSTREAM_URL]
    return [str(json.loads(call.body or b"")["model"]) for call in calls]


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        (bearer(tenant="berlin"), "tenant"),
        (bearer(region="EU"), "claim"),
        (bearer() | EU, "header"),
        (bearer() | {"x-lumigate-region": " EU "}, "header"),
        (bearer(tenant="berlin", region="us"), "tenant"),
        (bearer(region="eu") | EU, "claim"),
    ],
)
async def test_a_marked_request_keeps_to_the_region(headers: dict[str, str], source: str) -> None:
    under_test = rig(TENANT_REGIONS=json.dumps({"berlin": "eu"}))
    response = await under_test.send(headers=headers)
    assert response.status == 200
    counted = {"lumigate__region__source": source, "lumigate__region__result": "confined"}
    assert under_test.observed.total("lumigate.region.decisions", **counted) == 1
    await under_test.ports.background.run()
    ports = under_test.ports
    assert asked_models(under_test) == ["eu-model"]
    assert ports.key_value is not None
    assert ports.key_value.values == {}
    assert isinstance(ports.blobs, FakeBlobs)
    assert ports.blobs.values == {}
    assert isinstance(ports.eu_blobs, FakeBlobs)
    assert len(ports.eu_blobs.values) == 1
    assert under_test.events[0]["region"] == "eu"


@pytest.mark.parametrize("claims", [{}, {"region": "us"}, {"region": ""}])
async def test_what_is_not_marked_is_not_bound(claims: dict[str, Any]) -> None:
    under_test = rig()
    assert (await under_test.send(headers=bearer(**claims))).status == 200
    await under_test.ports.background.run()
    assert under_test.ports.key_value is not None
    assert under_test.ports.key_value.values
    assert under_test.events[0]["region"] == ""
    assert under_test.observed.total("lumigate.region.decisions") == 0


async def test_a_region_claim_that_is_no_text_lets_nobody_in() -> None:
    response = await rig().send(headers=bearer(region=["eu"]))
    assert (response.status, error_of(response)["code"]) == (401, "token_malformed")


async def test_without_a_bucket_of_the_region_nothing_is_kept_below_memory() -> None:
    under_test = rig()
    under_test.ports.eu_blobs = None
    assert (await under_test.send(headers=bearer() | EU)).status == 200
    await under_test.ports.background.run()
    assert isinstance(under_test.ports.blobs, FakeBlobs)
    assert under_test.ports.key_value is not None
    assert (under_test.ports.blobs.values, under_test.ports.key_value.values) == ({}, {})
    again = await under_test.send(headers=bearer() | EU)
    assert again.headers["x-lumigate-cache"] == "hit-l1"


async def test_nobody_in_the_region_is_a_refusal_that_is_counted() -> None:
    under_test = rig()
    response = await under_test.send(headers=bearer() | EU, body={**CHAT_BODY, "model": "far"})
    assert (response.status, error_of(response)["code"]) == (403, "region_unavailable")
    assert asked_models(under_test) == []
    counted = {"lumigate__region__source": "header", "lumigate__region__result": "refused"}
    assert under_test.observed.total("lumigate.region.decisions", **counted) == 1
    assert under_test.observed.total("lumigate.geo.decisions") == 0


@pytest.mark.parametrize("bound", [True, False])
async def test_a_refusal_that_quotes_the_prompt_is_not_told_outside(bound: bool) -> None:
    quoted = {"error": {"message": "the prompt 'hello' is not allowed", "type": "x"}}
    under_test = rig(json_answer(quoted, status=400))
    response = await under_test.send(headers=bearer() | (EU if bound else {}))
    assert response.status == 400
    assert "'hello'" in error_of(response)["message"]
    told = "".join(str(span.status.description) for span in under_test.observed.spans)
    assert ("'hello'" in told) != bound


async def test_one_subject_has_other_sessions_in_the_region() -> None:
    under_test = rig()
    under_test.ports.sessions = FakeSessions(under_test.ports.clock)
    made = await under_test.send("POST", "/sessions", headers=bearer() | EU, body={"model": "fast"})
    path = f"/sessions/{json.loads(await whole_body(made))['id']}"
    assert (await under_test.send("GET", path, headers=bearer() | EU)).status == 200
    assert (await under_test.send("GET", path, headers=bearer())).status == 404
    assert under_test.ports.eu_sessions is not None
    assert under_test.ports.eu_sessions.services
    assert under_test.ports.sessions.rows() == ""


async def test_what_operators_look_at_lies_everywhere() -> None:
    under_test = rig(API_KEY_PEPPER="pepper-of-sixteen-chars", TENANT_REGIONS=json.dumps({"ops": "eu"}))
    operator = bearer(tenant="ops", scope="admin")
    assert (await under_test.send("GET", "/admin/keys", headers=operator, body={})).status == 200


def test_every_place_is_seen_once() -> None:
    scope = make_scope().scope
    seen = [own.ports for own in everywhere(scope)]
    assert seen[0] is scope.ports
    assert [ports.region for ports in seen[1:] if isinstance(ports, ConfinedPorts)] == ["eu"]
    scope.ports = ConfinedPorts(scope.ports, "eu")
    assert [outside(own.ports) for own in everywhere(scope)] == [seen[0], seen[0]]
