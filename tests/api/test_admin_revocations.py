from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.auth.revocation import PREFIX
from tests.api.test_admin_keys import SETTINGS, ask, gateway
from tests.fakes import (
    ISSUER,
    JWKS_URL,
    NOW_SECONDS,
    GatewayUnderTest,
    key_set,
    make_claims,
    make_gateway,
    make_token,
)

OTHER = {"issuer": "https://other.example", "jwks_url": "https://other.example/keys", "audience": "us"}


def bearer(**claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {make_token(make_claims(**claims))}"}


@pytest.fixture
def rig() -> GatewayUnderTest:
    under_test = gateway()
    under_test.ports.fetch.script(JWKS_URL, key_set("k1"))
    return under_test


async def test_a_token_that_was_revoked_by_its_id_is_refused_and_no_other(rig: GatewayUnderTest) -> None:
    assert (await ask(rig, "/v1/models", headers=bearer(jti="one")))[0] == 200
    status, entry = await ask(rig, "/admin/revocations", {"jti": "one"})
    assert status == 201
    assert (entry["kind"], entry["issuer"], entry["effective_within_seconds"]) == ("token", ISSUER, 90)
    rig.ports.clock.advance(30)
    status, answer = await ask(rig, "/v1/models", headers=bearer(jti="one"))
    assert (status, answer["error"]["code"]) == (401, "token_revoked")
    assert (await ask(rig, "/v1/models", headers=bearer(jti="two")))[0] == 200
    assert rig.events[-2]["auth_reason"] == "revoked"
    assert rig.observed.total("lumigate.auth.checks", lumigate__auth__reason="revoked") == 1


async def test_a_subjects_tokens_are_refused_until_it_signs_in_again(rig: GatewayUnderTest) -> None:
    status, entry = await ask(rig, "/admin/revocations", {"subject": "developer"})
    assert (status, entry["kind"], entry["issued_before"]) == (201, "subject", NOW_SECONDS)
    assert (await ask(rig, "/v1/models", headers=bearer()))[0] == 401
    rig.ports.clock.advance(2)
    assert (await ask(rig, "/v1/models", headers=bearer(iat=NOW_SECONDS + 1)))[0] == 200
    assert (await ask(rig, "/v1/models", headers=bearer(sub="another")))[0] == 200


async def test_an_entry_for_a_token_whose_end_is_known_goes_soon_after_it(rig: GatewayUnderTest) -> None:
    await ask(rig, "/admin/revocations", {"jti": "one", "expires_at": NOW_SECONDS + 600})
    await ask(rig, "/admin/revocations", {"jti": "gone", "expires_at": NOW_SECONDS - 5000})
    assert rig.ports.key_value is not None
    ttls = [ttl for name, ttl in rig.ports.key_value.ttl_seconds.items() if name.startswith(PREFIX)]
    assert sorted(ttls) == [60, 600 + 60]


async def test_an_entry_lives_no_longer_than_any_token_may(rig: GatewayUnderTest) -> None:
    """However far away an operator says that its end is: the store is not for keeping."""
    _, entry = await ask(rig, "/admin/revocations", {"jti": "one", "expires_at": 253_402_300_799})
    _, longest = await ask(rig, "/admin/revocations", {"jti": "two"})
    assert entry["expires_at"] == longest["expires_at"]


async def test_the_list_shows_entries_and_no_names(rig: GatewayUnderTest) -> None:
    await ask(rig, "/admin/revocations", {"jti": "token-4711"})
    await ask(rig, "/admin/revocations", {"subject": "ann@example.com", "issued_before": NOW_SECONDS - 60})
    status, listed = await ask(rig, "/admin/revocations")
    assert status == 200
    assert sorted(entry["kind"] for entry in listed["data"]) == ["subject", "token"]
    assert listed["cursor"] is None
    told = (
        json.dumps(listed) + json.dumps(rig.events) + "".join(span.to_json() for span in rig.observed.spans)
    )
    assert "4711" not in told
    assert "ann@" not in told


async def test_with_several_issuers_the_entry_names_one(rig: GatewayUnderTest) -> None:
    several = make_gateway(**SETTINGS, JWT_ISSUERS=json.dumps([OTHER]))
    status, answer = await ask(several, "/admin/revocations", {"jti": "one"})
    assert (status, answer["error"]["param"]) == (400, "issuer")
    status, entry = await ask(several, "/admin/revocations", {"jti": "one", "issuer": OTHER["issuer"]})
    assert (status, entry["issuer"]) == (201, OTHER["issuer"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"jti": "one", "subject": "ann"}, None),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 257}, "jti"),
        ({"jti": 5}, "jti"),
        ({"jti": "one", "issued_before": 5}, None),
        ({"subject": "ann", "expires_at": 5}, "expires_at"),
        ({"subject": "ann", "issued_before": NOW_SECONDS + 1}, "issued_before"),
        ({"subject": "ann", "issued_before": -1}, "issued_before"),
        ({"subject": "ann", "issued_before": 10**30}, "issued_before"),
        ({"jti": "one", "issuer": "https://evil.example"}, "issuer"),
        ({"jti": "one", "reason": "because"}, None),
    ],
)
async def test_a_body_that_is_wrong_is_a_400_that_names_the_member(
    rig: GatewayUnderTest, body: Any, param: str | None
) -> None:
    status, answer = await ask(rig, "/admin/revocations", body)
    assert (status, answer["error"]["param"]) == (400, param)
