from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lumigate.auth import jws
from lumigate.auth.authenticator import Authenticator
from lumigate.auth.key_set import FRESH_SECONDS
from lumigate.auth.revocation import ANYTHING, PREFIX, Revocation, entry_id
from lumigate.auth.verified import VERIFIED_REMEMBERED, VERIFIED_SECONDS, VerifiedTokens
from lumigate.errors import Unauthenticated
from lumigate.ports import VerifyKey
from tests.fakes import (
    ISSUER,
    JWKS_URL,
    NOW_SECONDS,
    FakeCrypto,
    FakeKey,
    FakePorts,
    fake_jwk,
    fake_ports,
    json_answer,
    key_set,
    make_claims,
    make_scope,
    make_settings,
    make_token,
)


class CountingCrypto(FakeCrypto):
    """How often a signature was looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.verified = 0

    async def verify(self, key: VerifyKey, signature: bytes, message: bytes) -> bool:
        self.verified += 1
        return await super().verify(key, signature, message)


@dataclass(slots=True)
class Rig:
    """An authenticator of an isolate; each check is a request of its own."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    crypto: CountingCrypto = field(default_factory=CountingCrypto)
    ports: FakePorts = field(init=False)
    authenticator: Authenticator = field(init=False)

    def __post_init__(self) -> None:
        self.ports = fake_ports(crypto=self.crypto)
        self.publish("k1")
        self.authenticator = Authenticator(make_settings(**self.settings).auth)

    def publish(self, *kids: str) -> None:
        self.ports.fetch.script(JWKS_URL, key_set(*kids))

    async def check(self, token: str) -> str:
        """`ok`, or why not."""
        around = make_scope(headers={"authorization": f"Bearer {token}"}, ports=self.ports)
        try:
            await self.authenticator.check(around.scope)
        except Unauthenticated as error:
            return error.reason
        finally:
            await self.ports.background.run()
        return around.scope.facts.auth_reason

    def later(self, seconds: float) -> None:
        self.ports.clock.advance(seconds)


async def test_a_token_that_comes_again_costs_no_second_look_at_its_signature() -> None:
    rig = Rig()
    assert [await rig.check(make_token()) for _ in range(3)] == ["ok"] * 3
    assert rig.crypto.verified == 1


async def test_a_signature_is_looked_at_anew_after_a_minute() -> None:
    rig = Rig()
    await rig.check(make_token())
    rig.later(VERIFIED_SECONDS - 1)
    await rig.check(make_token())
    assert rig.crypto.verified == 1
    rig.later(1)
    assert await rig.check(make_token()) == "ok"
    assert rig.crypto.verified == 2


async def test_a_token_of_a_key_that_was_rotated_out_is_refused_as_soon_as_the_set_is_here() -> None:
    """Well within the minute that its signature is remembered for."""
    rig = Rig()
    assert await rig.check(make_token(make_claims(jti="first"))) == "ok"
    rig.later(FRESH_SECONDS - 10)
    assert await rig.check(make_token()) == "ok"
    rig.later(11)
    rig.publish("k2")
    assert await rig.check(make_token()) == "ok"  # served while the set is fetched anew
    assert rig.crypto.verified == 2
    assert await rig.check(make_token()) == "unknown_key"


async def test_a_set_that_gives_the_same_id_to_another_key_takes_what_is_remembered_back() -> None:
    rig = Rig()
    assert await rig.check(make_token(make_claims(jti="first"))) == "ok"
    rig.later(FRESH_SECONDS - 10)
    assert await rig.check(make_token()) == "ok"
    rig.later(11)
    rig.ports.fetch.script(JWKS_URL, json_answer({"keys": [fake_jwk("k1", n="another secret")]}))
    assert await rig.check(make_token()) == "ok"  # served while the set is fetched anew
    assert await rig.check(make_token()) == "bad_signature"


async def test_the_same_set_fetched_anew_has_signatures_looked_at_anew() -> None:
    rig = Rig()
    assert await rig.check(make_token(make_claims(jti="first"))) == "ok"
    rig.later(FRESH_SECONDS - 10)
    assert await rig.check(make_token()) == "ok"
    rig.later(11)
    rig.publish("k1")
    assert [await rig.check(make_token()) for _ in range(3)] == ["ok"] * 3
    assert rig.crypto.verified == 3


async def test_a_token_that_is_remembered_can_be_revoked() -> None:
    rig = Rig({"REVOCATION_CACHE_SECONDS": "5"})
    token = make_token(make_claims(jti="7f2c"))
    assert await rig.check(token) == "ok"
    assert rig.ports.key_value is not None
    identity = entry_id("jti", ISSUER, "7f2c")
    entry = Revocation(
        id=identity,
        kind="jti",
        issuer=ISSUER,
        issued_before_s=float("inf"),
        created_s=int(NOW_SECONDS),
        expires_s=int(NOW_SECONDS) + 3600,
    )
    await rig.ports.key_value.put(ANYTHING, b"9999999999", ttl_seconds=3600)
    await rig.ports.key_value.put(PREFIX + identity, entry.to_json(), ttl_seconds=3600)
    rig.later(6)
    assert await rig.check(token) == "revoked"
    assert rig.crypto.verified == 1


async def test_a_token_that_is_remembered_expires_when_it_says() -> None:
    rig = Rig({"JWT_LEEWAY_SECONDS": "0"})
    token = make_token(make_claims(exp=int(NOW_SECONDS) + 20))
    assert await rig.check(token) == "ok"
    rig.later(19)
    assert await rig.check(token) == "ok"
    rig.later(1)
    assert await rig.check(token) == "expired"


async def test_the_leeway_does_not_lengthen_what_is_remembered() -> None:
    rig = Rig({"JWT_LEEWAY_SECONDS": "30"})
    token = make_token(make_claims(exp=int(NOW_SECONDS) + 20))
    await rig.check(token)
    rig.later(21)
    assert await rig.check(token) == "ok"
    assert rig.crypto.verified == 2


@pytest.mark.parametrize("claims", [make_claims(aud="x"), make_claims(exp=0)])
async def test_a_token_that_was_refused_is_not_remembered(claims: dict[str, Any]) -> None:
    rig = Rig()
    first = await rig.check(make_token(claims))
    assert first != "ok"
    assert await rig.check(make_token(claims)) == first
    assert rig.crypto.verified == 2


async def test_a_token_with_another_signature_is_another_token() -> None:
    rig = Rig()
    token = make_token()
    assert await rig.check(token) == "ok"
    assert await rig.check(make_token(signature=b"forged")) == "bad_signature"
    assert await rig.check(token) == "ok"


async def test_what_holds_for_one_issuer_says_nothing_about_another() -> None:
    """Same claims, same key id, same key material: only `iss` differs, and so does whose keys are asked."""
    other = {"issuer": "https://other.example", "jwks_url": "https://other.example/keys", "audience": "x"}
    rig = Rig({"JWT_ISSUERS": json.dumps([other])})
    rig.ports.fetch.script("https://other.example/keys", json_answer({"keys": [fake_jwk("k1", n="theirs")]}))
    assert await rig.check(make_token()) == "ok"
    theirs = make_token(make_claims(iss="https://other.example", aud="x"))  # signed with the first one's key
    assert await rig.check(theirs) == "bad_signature"
    assert await rig.check(theirs) == "bad_signature"
    assert await rig.check(make_token()) == "ok"


def test_the_memory_is_bounded_and_holds_neither_tokens_nor_signatures() -> None:
    verified = VerifiedTokens()
    key = FakeKey("secret")
    credentials = [make_token(make_claims(jti=str(number))) for number in range(VERIFIED_REMEMBERED + 20)]
    for credential in credentials:
        verified.put(credential, jws.parse(credential, {"RS256"}), key, NOW_SECONDS)
    assert len(verified) == VERIFIED_REMEMBERED
    assert verified.get(credentials[0], NOW_SECONDS) is None
    known = verified.get(credentials[-1], NOW_SECONDS)
    assert known is not None
    assert known.key is key
    assert credentials[-1].rpartition(".")[2] not in repr(known)
    assert (known.token.signature, known.token.signed) == (b"", b"")


def test_a_text_that_is_too_long_for_a_token_is_not_even_looked_for() -> None:
    assert VerifiedTokens().get("a.b." + "c" * jws.MAX_TOKEN_CHARS, NOW_SECONDS) is None
