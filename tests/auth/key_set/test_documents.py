"""Which keys of a document serve, and for which algorithms."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.algorithms import ALGORITHMS
from lumigate.auth.jwk import public_members
from lumigate.auth.key_document import MAX_KEYS, KeySetError, read_key_set
from lumigate.auth.key_set import COLD_WAIT_SECONDS, KeySet
from lumigate.errors import KeysUnavailable, Unauthenticated
from tests.auth.key_set.rig import Rig
from tests.fakes import JWKS_URL, fake_jwk, json_answer, key_set, make_scope


async def test_a_key_serves_the_algorithms_it_fits_and_no_other() -> None:
    around = make_scope()
    rig = Rig(KeySet(JWKS_URL, ("RS256", "PS256", "ES256")), around)
    rig.publish(json_answer({"keys": [fake_jwk("any"), fake_jwk("one", alg="PS256")]}))
    found = {}
    for kid in ("any", "one"):
        for algorithm in ("RS256", "PS256", "ES256", "HS256"):
            try:
                await rig.keys.key(around.scope, kid, algorithm, around.scope.span)
            except Unauthenticated as error:
                found[kid, algorithm] = error.reason
    assert set(found) == {
        ("any", "ES256"), ("any", "HS256"), ("one", "RS256"), ("one", "ES256"), ("one", "HS256"),
    }  # fmt: skip
    assert set(found.values()) == {"unknown_key"}


@pytest.mark.parametrize(
    "strange",
    [
        fake_jwk("strange", use="enc"),
        fake_jwk("strange", alg="RS512"),
        fake_jwk("strange", alg=["RS256"]),
        fake_jwk("strange", alg=None),
        fake_jwk("strange", key_ops=["sign"]),
        fake_jwk("strange", key_ops="verify"),
        fake_jwk("strange", k="AQAB"),
        fake_jwk("strange", kty="oct"),
        fake_jwk("strange", kty=["RSA"]),
        fake_jwk("strange", n=None),
        {"kty": "EC", "kid": "strange"},
    ],
)
async def test_keys_that_are_not_for_this_are_passed_over(strange: dict[str, Any]) -> None:
    rig = Rig(KeySet(JWKS_URL, ("RS256",)), make_scope())
    rig.publish(json_answer({"keys": [strange, fake_jwk("k1", use="sig", alg="RS256")]}))
    await rig.key("k1")
    assert await rig.refused("strange") == "unknown_key"


async def test_a_set_may_have_so_many_keys_and_no_more(rig: Rig) -> None:
    rig.publish(key_set(*(f"k{number}" for number in range(MAX_KEYS + 1))))
    with pytest.raises(KeysUnavailable):
        await rig.key("k0")
    rig.wait(COLD_WAIT_SECONDS)
    rig.publish(key_set(*(f"k{number}" for number in range(MAX_KEYS))))
    await rig.key(f"k{MAX_KEYS - 1}")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


MEMBERS = ("kty", "kid", "alg", "use", "key_ops", "crv", "n", "e", "x", "y", "k", "d")


KEYS = st.dictionaries(
    st.sampled_from(MEMBERS),
    st.sampled_from(["RSA", "EC", "OKP", "oct", "k1", "RS256", "ES256", "sig", "P-256", "AQAB"])
    | JSON_VALUES,
)


@given(st.lists(KEYS | JSON_VALUES, max_size=5) | JSON_VALUES)
def test_no_key_set_raises_anything_but_its_error(keys: Any) -> None:
    try:
        found = read_key_set(json.dumps({"keys": keys}).encode(), list(ALGORITHMS))
    except KeySetError as refused:
        result = refused.result
    else:
        result = "ok"
        assert len({(key.key_id, key.algorithm) for key in found}) == len(found)
        assert all(key.jwk["kid"] == key.key_id for key in found)
    assert result in ("ok", "bad_content", "too_large", "duplicate_key")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_key_set_error(body: bytes) -> None:
    with suppress(KeySetError):
        assert read_key_set(body, ["RS256"]) == []


@given(KEYS)
def test_no_key_raises_anything_but_a_value_error(jwk: dict[str, Any]) -> None:
    for algorithm in ALGORITHMS:
        with suppress(ValueError):
            assert public_members(jwk, algorithm)["kty"] == ALGORITHMS[algorithm].key_type
