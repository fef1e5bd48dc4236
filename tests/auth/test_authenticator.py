from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest

from local.mocks.issuer import SigningKey, sign_token
from local.runtime.crypto import LocalCrypto
from lumigate.auth.api_key import make_key
from lumigate.auth.authenticator import Authenticator, Caller
from lumigate.auth.tokens import tenant_name
from lumigate.errors import KeysUnavailable, Unauthenticated
from lumigate.ports import FetchError
from tests.fakes import (
    API_KEY,
    AUDIENCE,
    ISSUER,
    JWKS_URL,
    NOW_SECONDS,
    FakeEntropy,
    ScopeUnderTest,
    base64url,
    fake_jwk,
    fake_ports,
    fake_signature,
    json_answer,
    key_set,
    make_claims,
    make_scope,
    make_settings,
    make_token,
)


def around(headers: dict[str, str], *, keys: bool = True) -> ScopeUnderTest:
    rig = make_scope(headers=headers, tenant="")
    rig.ports.fetch.script(JWKS_URL, key_set("k1") if keys else FetchError("timeout"))
    return rig


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


ALLOWED: list[tuple[str, dict[str, str], str, Caller]] = [
    ("bearer", bearer(make_token()), "bearer", Caller(tenant="acme", subject="developer")),
    (
        "lower case",
        {"authorization": f"bearer  {make_token()} "},
        "bearer",
        Caller(tenant="acme", subject="developer"),
    ),
    (
        "no tenant",
        bearer(make_token(make_claims(tenant=None))),
        "bearer",
        Caller(tenant="developer", subject="developer"),
    ),
    (
        "long tenant",
        bearer(make_token(make_claims(tenant="t" * 500))),
        "bearer",
        Caller(tenant=tenant_name("t" * 500), subject="developer"),
    ),
    (
        "api key",
        bearer(API_KEY),
        "api_key",
        Caller(tenant="acme", subject=f"key:{hashlib.sha256(API_KEY.encode()).hexdigest()[:16]}"),
    ),
    (
        "x-api-key",
        {"x-api-key": API_KEY},
        "api_key",
        Caller(tenant="acme", subject=f"key:{hashlib.sha256(API_KEY.encode()).hexdigest()[:16]}"),
    ),
]


@pytest.mark.parametrize(("name", "headers", "method", "caller"), ALLOWED, ids=[row[0] for row in ALLOWED])
async def test_these_are_let_in(name: str, headers: dict[str, str], method: str, caller: Caller) -> None:
    rig = around(headers)
    assert await Authenticator(make_settings().auth).check(rig.scope) == caller
    facts = rig.scope.facts
    assert (facts.tenant, facts.auth_method, facts.auth_reason) == (caller.tenant, method, "ok")
    assert facts.subject_hash == hashlib.sha256(caller.subject.encode()).hexdigest()[:16]
    assert rig.observed.labels("lumigate.auth.checks") == [
        {"lumigate.auth.method": method, "lumigate.auth.result": "allowed", "lumigate.auth.reason": "ok"}
    ]


DENIED: list[tuple[str, dict[str, str], str, str]] = [
    ("no header", {}, "none", "missing"),
    ("empty bearer", bearer(""), "none", "missing"),
    ("blank key", {"x-api-key": "  "}, "none", "missing"),
    ("another scheme", {"authorization": "Basic dTpw"}, "none", "missing"),
    ("no scheme", {"authorization": make_token()}, "none", "missing"),
    ("unknown key", bearer("sk-unknown"), "api_key", "unknown_api_key"),
    ("non-ascii key", {"x-api-key": "schlüssel\ud800"}, "api_key", "unknown_api_key"),
    ("junk", bearer("a.b.c"), "bearer", "malformed"),
    ("alg none", bearer(make_token(header={"alg": "none"})), "bearer", "unsupported_algorithm"),
    ("no kid", bearer(make_token(header={"kid": None})), "bearer", "malformed"),
    ("unknown kid", bearer(make_token(kid="k9")), "bearer", "unknown_key"),
    ("unsigned", bearer(make_token(signature=b"")), "bearer", "bad_signature"),
    ("signed otherwise", bearer(make_token(signature=b"x" * 256)), "bearer", "bad_signature"),
    ("expired", bearer(make_token(make_claims(exp=NOW_SECONDS - 60))), "bearer", "expired"),
    ("not yet", bearer(make_token(make_claims(nbf=NOW_SECONDS + 60))), "bearer", "not_yet_valid"),
    ("issuer", bearer(make_token(make_claims(iss="https://evil.example/"))), "bearer", "wrong_issuer"),
    ("audience", bearer(make_token(make_claims(aud="another"))), "bearer", "wrong_audience"),
    ("no subject", bearer(make_token(make_claims(sub=None))), "bearer", "malformed"),
    ("empty subject", bearer(make_token(make_claims(sub=""))), "bearer", "malformed"),
    ("a key's subject", bearer(make_token(make_claims(sub="key:Abcdefghijkl"))), "bearer", "malformed"),
    ("half a subject", bearer(make_token(make_claims(sub="\ud800"))), "bearer", "malformed"),
    ("half a tenant", bearer(make_token(make_claims(tenant="\ud800"))), "bearer", "malformed"),
    ("a tenant that is a number", bearer(make_token(make_claims(tenant=42))), "bearer", "malformed"),
    ("several tenants", bearer(make_token(make_claims(tenant=["acme"]))), "bearer", "malformed"),
    ("a logout", bearer(make_token(header={"typ": "logout+jwt"})), "bearer", "wrong_type"),
    ("a typing mistake", bearer(f"lmg_{'a' * 12}_{'b' * 38}"), "api_key", "api_key_malformed"),
    ("a key nobody made", bearer(make_key(FakeEntropy().random_bytes)[0]), "api_key", "unknown_api_key"),
    ("a huge key", bearer("x" * 100_000), "api_key", "unknown_api_key"),
    ("odd subject", bearer(make_token(make_claims(sub=5))), "bearer", "malformed"),
]


@pytest.mark.parametrize(("name", "headers", "method", "reason"), DENIED, ids=[row[0] for row in DENIED])
async def test_these_are_refused_each_for_its_reason(
    name: str, headers: dict[str, str], method: str, reason: str
) -> None:
    rig = around(headers)
    with pytest.raises(Unauthenticated) as caught:
        await Authenticator(make_settings().auth).check(rig.scope)
    assert caught.value.reason == reason
    assert rig.scope.facts.auth_reason == reason
    assert rig.scope.facts.tenant == ""
    labels = {"lumigate.auth.method": method, "lumigate.auth.result": "denied"}
    assert rig.observed.labels("lumigate.auth.checks") == [labels | {"lumigate.auth.reason": reason}]
    assert rig.observed.labels("lumigate.auth.duration") == [labels]
    span = rig.observed.span("auth.check")
    assert span.attributes["lumigate.auth.reason"] == reason
    assert span.attributes["error.type"] == caught.value.code


async def test_keys_that_cannot_be_fetched_are_a_reason_of_their_own() -> None:
    rig = around(bearer(make_token()), keys=False)
    with pytest.raises(KeysUnavailable):
        await Authenticator(make_settings().auth).check(rig.scope)
    assert rig.scope.facts.auth_reason == "keys_unavailable"


@pytest.mark.parametrize(
    "claims", [make_claims(exp=0), make_claims(aud="x"), make_claims(sub=None), make_claims(tenant="\ud800")]
)
async def test_no_claim_is_told_apart_before_the_signature_holds(claims: dict[str, Any]) -> None:
    """Else anyone could ask which audience or subject would do. The issuer says whose keys to try."""
    rig = around(bearer(make_token(claims, signature=b"forged")))
    with pytest.raises(Unauthenticated) as caught:
        await Authenticator(make_settings().auth).check(rig.scope)
    assert caught.value.reason == "bad_signature"


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        make_token(header={"alg": "none"}),
        make_token(header={"kid": None}),
        make_token(make_claims(iss="https://evil.example/")),
        make_token(make_claims(iss=None)),
        make_token(make_claims(iss=[ISSUER])),
        make_token(signature=b""),
    ],
)
async def test_a_token_that_cannot_be_good_costs_the_issuer_no_fetch(token: str) -> None:
    rig = around(bearer(token))
    with pytest.raises(Unauthenticated):
        await Authenticator(make_settings().auth).check(rig.scope)
    assert rig.ports.fetch.calls == []


async def test_without_token_settings_no_token_is_good() -> None:
    settings = make_settings(JWT_ISSUER=None, JWT_AUDIENCE=None, JWKS_URL=None)
    rig = around(bearer(make_token()))
    with pytest.raises(Unauthenticated) as caught:
        await Authenticator(settings.auth).check(rig.scope)
    assert caught.value.reason == "wrong_issuer"
    assert rig.ports.fetch.calls == []


async def test_the_tenant_is_in_the_claim_that_settings_name() -> None:
    rig = around(bearer(make_token(make_claims(org="umbrella"))))
    caller = await Authenticator(make_settings(JWT_TENANT_CLAIM="org").auth).check(rig.scope)
    assert caller.tenant == "umbrella"


def test_two_long_names_that_begin_alike_are_two_tenants() -> None:
    one, other = tenant_name("t" * 200), tenant_name("t" * 201)
    assert one != other
    assert len(one) == len(other) == 96
    assert tenant_name("t" * 96) == "t" * 96


OTHER = {
    "issuer": "https://other.example",
    "jwks_url": "https://other.example/keys",
    "audience": ["one", "two"],
    "tenant": "umbrella",
    "algorithms": ["PS256"],
    "scope_claim": "permissions",
}


async def test_each_issuer_is_held_to_its_own_rules_and_keys() -> None:
    """A key of one signs nothing for another, whatever its id."""
    settings = make_settings(JWT_ISSUERS=json.dumps([OTHER]), JWT_ALGORITHMS="RS256").auth
    authenticator = Authenticator(settings)
    theirs = make_claims(iss=OTHER["issuer"], aud="two", permissions=["chat"], tenant="acme")

    async def check(token: str) -> tuple[str, Caller | None]:
        rig = around(bearer(token))
        jwk = fake_jwk("k1", n="their secret")
        rig.ports.fetch.script("https://other.example/keys", json_answer({"keys": [jwk]}))
        caller = None
        with suppress(Unauthenticated):
            caller = await authenticator.check(rig.scope)
        return rig.scope.facts.auth_reason, caller

    def signed(claims: dict[str, Any], secret: str, algorithm: str) -> str:
        unsigned = make_token(claims, header={"alg": algorithm}, signature=b"x")
        message = unsigned.rpartition(".")[0]
        return f"{message}.{base64url(fake_signature(secret, message.encode()))}"

    assert await check(signed(theirs, "their secret", "PS256")) == (
        "ok",
        Caller(tenant="umbrella", subject="developer", scopes=frozenset({"chat"})),
    )
    assert (await check(signed(theirs, "secret of k1", "PS256")))[0] == "bad_signature"
    assert (await check(signed(make_claims(), "their secret", "RS256")))[0] == "bad_signature"
    assert (await check(signed(theirs, "their secret", "RS256")))[0] == "unsupported_algorithm"
    assert (await check(signed(make_claims(), "secret of k1", "PS256")))[0] == "unsupported_algorithm"
    assert (await check(signed({**theirs, "aud": AUDIENCE}, "their secret", "PS256")))[0] == "wrong_audience"


async def test_no_credential_reaches_a_span() -> None:
    for headers in (bearer(make_token()), bearer("sk-unknown-secret"), bearer(API_KEY)):
        rig = around(headers)
        with suppress(Unauthenticated):
            await Authenticator(make_settings().auth).check(rig.scope)
        rig.scope.span.end()
        credential = headers["authorization"].removeprefix("Bearer ")
        for span in rig.observed.spans:
            assert credential not in span.to_json()


async def test_real_rs256_signatures_are_checked() -> None:
    """The signer and the crypto of the embedded runtime, end to end through the authenticator."""
    ours, theirs = SigningKey.generate(), SigningKey.generate()
    ports = fake_ports(crypto=LocalCrypto())
    ports.fetch.script(JWKS_URL, json_answer({"keys": [ours.jwk]}))
    authenticator = Authenticator(make_settings().auth)

    async def check(token: str) -> str:
        rig = make_scope(headers=bearer(token), ports=ports)
        with suppress(Unauthenticated):
            await authenticator.check(rig.scope)
        return rig.scope.facts.auth_reason

    good = sign_token(ours, make_claims())
    assert await check(good) == "ok"
    assert await check(sign_token(theirs, make_claims(), {"kid": ours.kid})) == "bad_signature"
    head, _, signature = good.split(".")
    _, payload, _ = sign_token(ours, make_claims(tenant="another")).split(".")
    assert await check(f"{head}.{payload}.{signature}") == "bad_signature"
    assert await check(f"{head}.{payload}.") == "bad_signature"
