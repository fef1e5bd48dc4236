from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.key_store import PREFIX
from tests.fakes import GatewayUnderTest, error_of, fake_ports, make_gateway

ADMIN_KEY = "the operators key"
AS_ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
PEPPER = "a pepper of the tests"
SETTINGS: dict[str, Any] = {
    "API_KEYS": f"ops:{hashlib.sha256(ADMIN_KEY.encode()).hexdigest()}:admin,"
    f"acme:{hashlib.sha256(b'an ordinary key').hexdigest()}",
    "API_KEY_PEPPER": PEPPER,
}


def gateway(**more: Any) -> GatewayUnderTest:
    return make_gateway(**(SETTINGS | more))


async def ask(
    rig: GatewayUnderTest, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    method = "GET" if body is None else "POST"
    response = await rig.send(method, path, headers=AS_ADMIN if headers is None else headers, body=body)
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


async def test_a_key_is_made_shown_once_and_lets_its_holder_in() -> None:
    rig = gateway()
    response = await rig.send(
        "POST", "/admin/keys", headers=AS_ADMIN, body={"tenant": "acme", "name": "ci", "scopes": ["chat"]}
    )
    assert response.status == 201
    assert response.headers["cache-control"] == "no-store"
    assert isinstance(response.body, bytes)
    made = json.loads(response.body)
    status, _ = await ask(rig, "/v1/models", headers={"x-api-key": made["key"]})
    assert status == 200
    status, listed = await ask(rig, "/admin/keys")
    assert status == 200
    (shown,) = listed["data"]
    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert (shown["tenant"], shown["name"], shown["scopes"], shown["state"]) == (
        "acme",
        "ci",
        ["chat"],
        "active",
    )
    assert "hash" not in shown


async def test_a_key_that_was_made_may_not_make_keys_unless_it_has_the_scope() -> None:
    rig = gateway()
    for scopes, expected in ((["chat"], 403), (["admin"], 201)):
        _, made = await ask(rig, "/admin/keys", {"tenant": "acme", "scopes": scopes})
        headers = {"authorization": f"Bearer {made['key']}"}
        status, _ = await ask(rig, "/admin/keys", {"tenant": "evil"}, headers)
        assert status == expected


@pytest.mark.parametrize(
    "path", ["/admin/keys", "/admin/keys/revoke", "/admin/keys/rotate", "/admin/revocations"]
)
async def test_nobody_gets_in_without_the_scope(path: str) -> None:
    rig = gateway()
    status, _ = await ask(rig, path, {}, {})
    assert status == 401
    status, answer = await ask(rig, path, {}, {"authorization": "Bearer an ordinary key"})
    assert (status, answer["error"]["code"], answer["error"]["type"]) == (
        403,
        "missing_scope",
        "permission_error",
    )
    assert "admin" in answer["error"]["message"]
    assert rig.events[-1]["auth_reason"] == "missing_scope"


async def test_a_revoked_key_is_refused_at_once_where_it_was_revoked() -> None:
    rig = gateway()
    _, made = await ask(rig, "/admin/keys", {"tenant": "acme"})
    holder = {"authorization": f"Bearer {made['key']}"}
    assert (await ask(rig, "/v1/models", headers=holder))[0] == 200
    status, revoked = await ask(rig, "/admin/keys/revoke", {"id": made["id"]})
    assert (status, revoked["state"]) == (200, "revoked")
    status, answer = await ask(rig, "/v1/models", headers=holder)
    assert (status, answer["error"]["code"]) == (401, "api_key_revoked")


async def test_a_key_that_was_rotated_without_overlap_is_refused_at_once_where_it_was_rotated() -> None:
    """Though this isolate remembered it as a good one."""
    rig = gateway()
    _, made = await ask(rig, "/admin/keys", {"tenant": "acme"})
    old = {"authorization": f"Bearer {made['key']}"}
    assert (await ask(rig, "/v1/models", headers=old))[0] == 200
    status, new = await ask(rig, "/admin/keys/rotate", {"id": made["id"], "overlap_seconds": 0})
    assert status == 201
    refused, answer = await ask(rig, "/v1/models", headers=old)
    assert (refused, answer["error"]["code"]) == (401, "api_key_expired")
    assert (await ask(rig, "/v1/models", headers={"authorization": f"Bearer {new['key']}"}))[0] == 200


async def test_after_a_rotation_both_keys_are_good_and_the_old_one_for_the_overlap_only() -> None:
    rig = gateway()
    _, made = await ask(rig, "/admin/keys", {"tenant": "acme"})
    status, successor = await ask(rig, "/admin/keys/rotate", {"id": made["id"], "overlap_seconds": 60})
    assert status == 201
    assert successor["replaces"]["replaced_by"] == successor["id"]
    for key in (made["key"], successor["key"]):
        assert (await ask(rig, "/v1/models", headers={"x-api-key": key}))[0] == 200
    rig.ports.clock.advance(61)
    assert (await ask(rig, "/v1/models", headers={"x-api-key": made["key"]}))[0] == 401
    assert (await ask(rig, "/v1/models", headers={"x-api-key": successor["key"]}))[0] == 200


BAD: list[tuple[str, Any, str | None]] = [
    ("/admin/keys", {}, "tenant"),
    ("/admin/keys", {"tenant": ""}, "tenant"),
    ("/admin/keys", {"tenant": "   "}, "tenant"),
    ("/admin/keys", {"tenant": 5}, "tenant"),
    ("/admin/keys", {"tenant": "t" * 97}, "tenant"),
    ("/admin/keys", {"tenant": "a\nb"}, "tenant"),
    ("/admin/keys", {"tenant": "\ud800"}, "tenant"),
    ("/admin/keys", {"tenant": "acme", "scopes": "chat"}, "scopes"),
    ("/admin/keys", {"tenant": "acme", "scopes": ["two words"]}, "scopes.0"),
    ("/admin/keys", {"tenant": "acme", "scopes": ["s"] * 51}, "scopes"),
    ("/admin/keys", {"tenant": "acme", "expires_in_seconds": 59}, "expires_in_seconds"),
    ("/admin/keys", {"tenant": "acme", "expires_in_seconds": 1e400}, None),
    ("/admin/keys", {"tenant": "acme", "expires_in_seconds": True}, "expires_in_seconds"),
    ("/admin/keys", {"tenant": "acme", "expires_in_seconds": "3600"}, "expires_in_seconds"),
    ("/admin/keys", {"tenant": "acme", "hash": "00"}, None),
    ("/admin/keys", [], None),
    ("/admin/keys", b"{", None),
    ("/admin/keys", {"tenant": "t" * 20_000}, None),
    ("/admin/keys/revoke", {"id": "../x"}, "id"),
    ("/admin/keys/revoke", {"id": 5}, "id"),
    ("/admin/keys/rotate", {"id": "a" * 12, "overlap_seconds": -1}, "overlap_seconds"),
]


@pytest.mark.parametrize(("path", "body", "param"), BAD)
async def test_a_body_that_is_wrong_is_a_4xx_that_names_the_member(
    path: str, body: Any, param: str | None
) -> None:
    rig = gateway()
    response = await rig.send("POST", path, headers=AS_ADMIN, body=body)
    assert response.status in (400, 413)
    assert error_of(response)["param"] == param


async def test_an_id_that_nobody_has_is_a_404() -> None:
    rig = gateway()
    for path in ("/admin/keys/revoke", "/admin/keys/rotate"):
        status, answer = await ask(rig, path, {"id": "a" * 12})
        assert (status, answer["error"]["code"]) == (404, "unknown_api_key_id")


async def test_without_a_pepper_or_a_store_the_routes_say_what_is_missing() -> None:
    status, answer = await ask(gateway(API_KEY_PEPPER=None), "/admin/keys", {"tenant": "acme"})
    assert (status, answer["error"]["code"]) == (501, "not_configured")
    assert "API_KEY_PEPPER" in answer["error"]["message"]
    rig = make_gateway(fake_ports(key_value=None), **SETTINGS)
    assert (await ask(rig, "/admin/keys"))[0] == 501


async def test_a_store_that_fails_is_a_503() -> None:
    rig = gateway()
    assert rig.ports.key_value is not None
    rig.ports.key_value.fault = OSError("unreachable")
    for path, body in (("/admin/keys", None), ("/admin/keys", {"tenant": "a"}), ("/admin/revocations", None)):
        status, answer = await ask(rig, path, body)
        assert (status, answer["error"]["code"]) == (503, "admin_store_unavailable")


async def test_a_list_of_many_goes_by_a_cursor() -> None:
    rig = gateway()
    made = {(await ask(rig, "/admin/keys", {"tenant": "acme"}))[1]["id"] for _ in range(45)}
    store = rig.ports.key_value
    assert store is not None
    assert len([name for name in store.values if name.startswith(PREFIX)]) == 45
    response = await rig.send("GET", "/admin/keys", headers=AS_ADMIN)
    assert isinstance(response.body, bytes)
    first = json.loads(response.body)
    assert (len(first["data"]), first["cursor"] is None) == (40, False)
    assert {key["id"] for key in first["data"]} < made


async def test_no_key_and_no_hash_is_in_any_span_or_event() -> None:
    rig = gateway()
    _, made = await ask(rig, "/admin/keys", {"tenant": "acme"})
    await ask(rig, "/v1/models", headers={"x-api-key": made["key"]})
    secret = made["key"].rpartition("_")[2]
    told = "".join(span.to_json() for span in rig.observed.spans) + json.dumps(rig.events)
    assert secret not in told
    assert ADMIN_KEY not in told
    assert PEPPER not in told


@given(
    path=st.sampled_from(["/admin/keys", "/admin/keys/revoke", "/admin/keys/rotate", "/admin/revocations"]),
    body=st.dictionaries(
        st.sampled_from(
            ["tenant", "name", "scopes", "id", "overlap_seconds", "jti", "subject", "issuer", "x"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    ),
)
async def test_no_body_is_a_5xx(path: str, body: dict[str, Any]) -> None:
    response = await gateway().send("POST", path, headers=AS_ADMIN, body=body)
    assert response.status in (201, 400, 404)
