"""Access, end to end: every algorithm, rotation, revocation, API keys and policy, through real key sets and stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.mocks.issuer import Issuer, SigningKey, sign_token
from lumigate.auth.algorithms import ALGORITHMS
from tests.blackbox.conftest import PATIENCE, Stage, _mocks, stage_with

SETTINGS = {
    "JWT_ALGORITHMS": ",".join(ALGORITHMS),
    "JWT_AUTHORIZED_PARTIES": "https://app.example",
    "REVOCATION_CACHE_SECONDS": "0",
    "API_KEY_CACHE_SECONDS": "0",
    "POLICY": '{"models": {"gpt-5": "premium"}, "routes": {"/v1/embeddings": "embed"}}',
}
CHAT = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}]}
KEYS = {name: SigningKey.generate(name) for name in ALGORITHMS}


SECOND = "https://second.example"


@pytest.fixture(scope="module")
def second() -> Iterator[Issuer]:
    """Another issuer that the gateway trusts, with rules of its own."""
    with _mocks() as (_, other):
        other.rotate(keep_old=False, algorithm="EdDSA")
        yield other


@pytest.fixture(scope="module", params=["embedded", "pyodide"])
def access(request: pytest.FixtureRequest, second: Issuer) -> Iterator[Stage]:
    entry = {
        "issuer": SECOND,
        "jwks_url": second.jwks_url,
        "audience": ["somebody", "us"],
        "authorized_parties": [],
        "algorithms": ["EdDSA"],
        "tenant": "umbrella",
        "scope_claim": "permissions",
    }
    with stage_with(request.param, SETTINGS | {"JWT_ISSUERS": json.dumps([entry])}) as running:
        yield running


def issuer(stage: Stage) -> Issuer:
    assert stage.issuer is not None
    return stage.issuer


def token(stage: Stage, key: SigningKey | None = None, **claims: Any) -> str:
    mint = issuer(stage)
    members = mint.claims(sub="developer", tenant="acme", ttl_seconds=600) | {"azp": "https://app.example"}
    present = {name: value for name, value in (members | claims).items() if value is not None}
    return sign_token(key or mint.key, present)


def ask(
    stage: Stage, credential: str, method: str = "GET", path: str = "/v1/models", **more: Any
) -> httpx.Response:
    headers = {"authorization": f"Bearer {credential}"}
    return httpx.request(method, stage.url + path, headers=headers, timeout=PATIENCE, **more)


def admin(stage: Stage, path: str, body: Any = None) -> httpx.Response:
    method = "GET" if body is None else "POST"
    return ask(stage, token(stage, scope="admin"), method, path, **({} if body is None else {"json": body}))


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def test_every_algorithm_lets_in_and_the_same_token_forged_does_not(access: Stage) -> None:
    issuer(access).published += [key for key in KEYS.values() if key not in issuer(access).published]
    for name, key in KEYS.items():
        good = token(access, key)
        assert (name, *said(ask(access, good))) == (name, 200, "")
        impostor = SigningKey.generate(name)
        impostor.kid = key.kid
        assert (name, *said(ask(access, token(access, impostor)))) == (name, 401, "token_bad_signature")
        head, payload, _ = good.split(".")
        assert said(ask(access, f"{head}.{payload}.")) == (401, "token_bad_signature")


def test_a_key_signs_for_its_own_algorithm_only(access: Stage) -> None:
    """The header's `alg` is among those allowed, and the key is not for it."""
    issuer(access).published += [key for key in KEYS.values() if key not in issuer(access).published]
    sister = SigningKey(KEYS["RS256"]._private, "PS256")
    sister.kid = KEYS["RS256"].kid
    assert said(ask(access, token(access, sister))) == (401, "token_unknown_key")


def test_a_rotation_costs_no_request(access: Stage) -> None:
    """A token of the new key is good at once, whenever the set was last fetched; one of the old key stays so."""
    mint, old = issuer(access), token(access)
    assert said(ask(access, old)) == (200, "")
    before = mint.fetches
    mint.rotate(algorithm="ES256")
    new = token(access)
    answers = [said(ask(access, each)) for each in (new, old, new)]
    assert answers == [(200, "")] * 3
    # One for the new key; one more where the set had just become a minute old, and was refreshed in the background.
    assert 1 <= mint.fetches - before <= 2


def test_a_broken_key_set_leaves_the_old_one_in_force(access: Stage) -> None:
    mint = issuer(access)
    good = token(access)
    assert said(ask(access, good)) == (200, "")
    mint.failing_status = 503
    try:
        unknown = token(access, SigningKey.generate("ES256"))
        assert said(ask(access, unknown)) == (401, "token_unknown_key")
        assert said(ask(access, good)) == (200, "")
    finally:
        mint.failing_status = 0


def test_a_token_of_another_party_is_refused(access: Stage) -> None:
    assert said(ask(access, token(access, azp="https://evil.example"))) == (401, "token_wrong_party")


def test_each_issuer_is_held_to_its_own_rules_and_keys(access: Stage, second: Issuer) -> None:
    theirs: dict[str, Any] = {"iss": SECOND, "aud": ["us"], "azp": None, "permissions": ["premium"]}
    good = ask(access, token(access, second.key, **theirs))
    assert said(good) == (200, "")
    assert access.event(good.headers["x-request-id"])["tenant"] == "umbrella"
    rs256 = KEYS["RS256"]
    for flaw, code in (
        (token(access, second.key), "token_unknown_key"),
        (token(access, rs256, **theirs), "token_unsupported_algorithm"),
        (token(access, KEYS["EdDSA"], **theirs), "token_unknown_key"),
        (token(access, second.key, **theirs | {"aud": "lumigate"}), "token_wrong_audience"),
        (token(access, second.key, **theirs | {"iss": "https://third.example"}), "token_wrong_issuer"),
    ):
        assert said(ask(access, flaw)) == (401, code)
    premium = CHAT | {"model": "gpt-5"}
    answer = ask(access, token(access, second.key, **theirs), "POST", "/v1/chat/completions", json=premium)
    assert said(answer) == (200, "")


def test_a_revoked_token_is_refused_and_its_sister_is_not(access: Stage) -> None:
    one, two = (token(access, jti=f"{access.name}-{number}") for number in (1, 2))
    assert [said(ask(access, each)) for each in (one, two)] == [(200, "")] * 2
    first = {"jti": f"{access.name}-1", "issuer": issuer(access).issuer}
    entry = admin(access, "/admin/revocations", first)
    assert (entry.status_code, entry.json()["kind"]) == (201, "token")
    answer = ask(access, one)
    assert said(answer) == (401, "token_revoked")
    assert said(ask(access, two)) == (200, "")
    assert access.event(answer.headers["x-request-id"])["auth_reason"] == "revoked"
    listed = admin(access, "/admin/revocations").json()["data"]
    assert entry.json()["id"] in [each["id"] for each in listed]


def test_a_subject_that_was_signed_out_may_sign_in_again(access: Stage) -> None:
    before = token(access, sub="leaver", iat=1_700_000_000)
    assert said(ask(access, before)) == (200, "")
    body = {"subject": "leaver", "issued_before": 1_700_000_100, "issuer": issuer(access).issuer}
    assert admin(access, "/admin/revocations", body).is_success
    assert said(ask(access, before)) == (401, "token_revoked")
    assert said(ask(access, token(access, sub="leaver"))) == (200, "")


def test_the_life_of_an_api_key(access: Stage) -> None:
    made = admin(access, "/admin/keys", {"tenant": "acme", "name": "ci", "scopes": ["chat"]}).json()
    assert said(ask(access, made["key"])) == (200, "")
    assert said(ask(access, made["key"][:-1])) == (401, "invalid_api_key")
    wrong = made["key"][:-1] + ("0" if made["key"][-1] != "0" else "1")
    assert said(ask(access, wrong)) == (401, "invalid_api_key")
    rotated = admin(access, "/admin/keys/rotate", {"id": made["id"], "overlap_seconds": 3600}).json()
    assert [said(ask(access, key)) for key in (made["key"], rotated["key"])] == [(200, "")] * 2
    assert admin(access, "/admin/keys/revoke", {"id": made["id"]}).json()["state"] == "revoked"
    assert said(ask(access, made["key"])) == (401, "api_key_revoked")
    assert said(ask(access, rotated["key"])) == (200, "")
    listed = {key["id"]: key for key in admin(access, "/admin/keys").json()["data"]}
    assert listed[made["id"]]["replaced_by"] == rotated["id"]
    assert "key" not in listed[made["id"]]


def test_a_list_goes_page_by_page(access: Stage) -> None:
    made = {admin(access, "/admin/keys", {"tenant": "many"}).json()["id"] for _ in range(41)}
    seen: set[str] = set()
    path = "/admin/keys"
    while path:
        page = admin(access, path).json()
        seen |= {key["id"] for key in page["data"]}
        path = str(httpx.URL("/admin/keys", params={"cursor": page["cursor"]})) if page["cursor"] else ""
    assert made <= seen


def test_scopes_open_models_and_routes_and_a_refusal_names_what_is_missing(access: Stage) -> None:
    premium, body = CHAT | {"model": "gpt-5"}, {"model": "text-embedding-3-small", "input": "hi"}
    key = admin(access, "/admin/keys", {"tenant": "acme", "scopes": ["premium"]}).json()["key"]
    for credential, model, route in (
        (token(access), 403, 403),
        (token(access, scope="premium embed"), 200, 200),
        (token(access, scp=["embed"]), 403, 200),
        (key, 200, 403),
    ):
        assert ask(access, credential, "POST", "/v1/chat/completions", json=CHAT).status_code == 200
        answer = ask(access, credential, "POST", "/v1/chat/completions", json=premium)
        assert answer.status_code == model
        if model == 403:
            error = answer.json()["error"]
            assert (error["code"], error["param"]) == ("missing_scope", "model")
            assert "premium" in error["message"]
            assert 'scope="premium"' in answer.headers["www-authenticate"]
            assert access.event(answer.headers["x-request-id"])["auth_reason"] == "missing_scope"
        assert ask(access, credential, "POST", "/v1/embeddings", json=body).status_code == route


def test_an_answer_in_the_cache_is_behind_the_same_policy(access: Stage) -> None:
    """Two callers of a tenant share answers, and only one of them may have this model."""
    body = CHAT | {"model": "gpt-5", "messages": [{"role": "user", "content": "shared"}]}
    may, may_not = token(access, scope="premium"), token(access)
    assert ask(access, may, "POST", "/v1/chat/completions", json=body).status_code == 200
    assert said(ask(access, may_not, "POST", "/v1/chat/completions", json=body)) == (403, "missing_scope")


@pytest.mark.parametrize(
    "path", ["/admin/keys", "/admin/keys/revoke", "/admin/keys/rotate", "/admin/revocations"]
)
def test_the_admin_routes_are_for_the_scope_admin(access: Stage, path: str) -> None:
    for credential in (token(access), token(access, scope="administrator"), "lmg_blackbox_key"):
        assert said(ask(access, credential, "POST", path, json={})) == (403, "missing_scope")
    assert said(admin(access, path, {})) == (400, "invalid_request")
