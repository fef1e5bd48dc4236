from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.algorithms import ALGORITHMS
from lumigate.auth.jwk import public_members
from lumigate.auth.key_document import MAX_BYTES, MAX_KEYS, KeySetError, read_key_set
from lumigate.auth.key_set import (
    COLD_WAIT_SECONDS,
    FETCH_LEASE_SECONDS,
    FRESH_SECONDS,
    REFETCH_BURST,
    REFETCH_SECONDS,
    REFRESH_RETRY_SECONDS,
    UNKNOWN_KEY_SECONDS,
    UNKNOWN_KEYS_REMEMBERED,
    KeySet,
)
from lumigate.errors import KeysUnavailable, Unauthenticated
from lumigate.ports import FetchError, StreamInterrupted
from tests.fakes import (
    JWKS_URL,
    FakeAnswer,
    FakeKey,
    ScopeUnderTest,
    fake_jwk,
    json_answer,
    key_set,
    make_scope,
)


@dataclass(slots=True)
class Rig:
    """A key set and one scope that uses it."""

    keys: KeySet
    around: ScopeUnderTest

    async def key(self, kid: str = "k1") -> FakeKey:
        key = await self.keys.key(self.around.scope, kid, "RS256", self.around.scope.span)
        assert isinstance(key, FakeKey)
        return key

    async def refused(self, kid: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            await self.key(kid)
        return caught.value.reason

    def publish(self, *answers: FakeAnswer | Exception) -> None:
        self.around.ports.fetch.script(JWKS_URL, *answers)

    @property
    def fetches(self) -> int:
        return len(self.around.ports.fetch.calls)

    def wait(self, seconds: float) -> None:
        self.around.ports.clock.advance(seconds)


@pytest.fixture
def rig() -> Rig:
    return Rig(KeySet(JWKS_URL, ("RS256",)), make_scope())


async def test_a_cold_set_is_fetched_once_and_kept(rig: Rig) -> None:
    rig.publish(key_set("k1", "k2"))
    assert (await rig.key("k1")).secret == "secret of k1"
    assert (await rig.key("k2")).secret == "secret of k2"
    assert rig.fetches == 1
    assert rig.around.observed.total("lumigate.key_set.fetches", lumigate__key_set__result="ok") == 1


async def test_the_fetch_is_a_child_of_the_check_it_serves(rig: Rig) -> None:
    rig.publish(key_set("k1"))
    await rig.key()
    span = rig.around.observed.span("auth.keys.fetch")
    assert span.parent is not None
    assert span.parent.span_id == rig.around.scope.span.get_span_context().span_id


async def test_cold_requests_that_come_together_share_one_fetch(rig: Rig) -> None:
    """The others look again on timers of their own; none waits for another's I/O."""
    rig.publish(key_set("k1"))
    keys = await asyncio.gather(*(rig.key() for _ in range(20)))
    assert {key.secret for key in keys} == {"secret of k1"}
    assert rig.fetches == 1


async def test_a_rotation_refuses_nobody_who_comes_meanwhile(rig: Rig) -> None:
    rig.publish(key_set("k1"), key_set("k1", "k2"))
    await rig.key("k1")
    keys = await asyncio.gather(*(rig.key("k2") for _ in range(5)))
    assert {key.secret for key in keys} == {"secret of k2"}
    assert rig.fetches == 2


async def test_a_fetch_whose_request_died_keeps_nobody_waiting_for_ever(rig: Rig) -> None:
    rig.publish(key_set("k1"))
    rig.keys._fetching_until_s = rig.around.ports.clock.now_ns() / 1e9 + FETCH_LEASE_SECONDS
    assert (await rig.key()).secret == "secret of k1"
    assert rig.fetches == 1


async def test_an_issuer_that_is_down_is_not_hammered_by_a_cold_isolate(rig: Rig) -> None:
    rig.publish(FakeAnswer(503), key_set("k1"))
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            await rig.key()
    assert rig.fetches == 1
    rig.wait(COLD_WAIT_SECONDS)
    assert (await rig.key()).secret == "secret of k1"


async def test_a_stale_set_serves_at_once_and_is_refreshed_in_the_background(rig: Rig) -> None:
    rig.publish(key_set("k1"), key_set("k1", "k2"))
    await rig.key()
    rig.wait(FRESH_SECONDS + 1)
    await rig.key("k1")
    assert rig.fetches == 1, "the request waited for the refresh"
    await rig.around.ports.background.run()
    assert rig.fetches == 2
    await rig.key("k2")
    assert rig.fetches == 2


async def test_a_refresh_outlives_its_request_so_it_is_a_trace_of_its_own(rig: Rig) -> None:
    rig.publish(key_set("k1"), key_set("k1"))
    await rig.key()
    rig.wait(FRESH_SECONDS + 1)
    await rig.key()
    await rig.around.ports.background.run()
    first, second = [s for s in rig.around.observed.spans if s.name == "auth.keys.fetch"]
    assert first.context.trace_id != second.context.trace_id
    assert second.parent is None


async def test_one_refresh_is_under_way_at_a_time_and_a_lost_one_is_made_up_for(rig: Rig) -> None:
    rig.publish(key_set("k1"))
    await rig.key()
    rig.wait(FRESH_SECONDS + 1)
    for _ in range(3):
        await rig.key()
    assert len(rig.around.ports.background.waiting) == 1
    rig.wait(FETCH_LEASE_SECONDS + 1)
    await rig.key()
    assert len(rig.around.ports.background.waiting) == 2


async def test_an_unknown_key_makes_one_refetch_in_a_while(rig: Rig) -> None:
    rig.publish(key_set("k1"), key_set("k1"), key_set("k1"), key_set("k1"))
    await rig.key()
    for _ in range(5):
        assert await rig.refused("junk") == "unknown_key"
    assert rig.fetches == 2
    rig.wait(UNKNOWN_KEY_SECONDS)
    for _ in range(5):
        assert await rig.refused("junk") == "unknown_key"
    assert rig.fetches == 3


async def test_a_new_key_is_found_by_the_refetch_its_token_causes(rig: Rig) -> None:
    """However short a time ago the set was fetched: nobody is refused because the issuer rotated."""
    rig.publish(key_set("k1"), key_set("k1", "k2"))
    await rig.key()
    assert (await rig.key("k2")).secret == "secret of k2"


async def test_junk_cannot_hammer_the_issuer(rig: Rig) -> None:
    """A thousand key ids in an hour cost it the ration and no more."""
    rig.publish(*(key_set("k1") for _ in range(1000)))
    await rig.key()
    for number in range(100):
        assert await rig.refused(f"junk {number}") == "unknown_key"
    assert rig.fetches == 1 + REFETCH_BURST
    before = rig.fetches
    for number in range(1000):
        rig.wait(3.6)
        assert await rig.refused(f"more junk {number}") == "unknown_key"
    assert rig.fetches - before <= 3600 / REFETCH_SECONDS


async def test_a_key_that_could_not_be_looked_for_is_not_remembered_as_unknown(rig: Rig) -> None:
    rig.publish(key_set("k1"), FakeAnswer(503), key_set("k1", "k2"))
    await rig.key()
    assert await rig.refused("k2") == "unknown_key"
    assert (await rig.key("k2")).secret == "secret of k2"


async def test_whom_the_ration_turned_away_may_come_again(rig: Rig) -> None:
    """Junk may keep a new key from being found for a moment, and no longer."""
    rig.publish(*(key_set("k1") for _ in range(1 + REFETCH_BURST)), key_set("k1", "k2"))
    await rig.key()
    for number in range(REFETCH_BURST):
        await rig.refused(f"junk {number}")
    assert await rig.refused("k2") == "unknown_key"
    rig.wait(REFETCH_SECONDS)
    assert (await rig.key("k2")).secret == "secret of k2"


async def test_junk_key_ids_are_remembered_to_a_bound(rig: Rig) -> None:
    rig.publish(*(key_set("k1") for _ in range(3001)))
    await rig.key()
    for number in range(3000):
        rig.wait(0.001)
        rig.keys._refetches = 5.0
        await rig.refused(f"junk {number}")
    assert rig.fetches == 3001
    assert len(rig.keys._unknown) == UNKNOWN_KEYS_REMEMBERED


async def test_a_token_that_cannot_be_good_makes_no_refetch(rig: Rig) -> None:
    rig.publish(key_set("k1"), key_set("k1", "k2"))
    await rig.key()
    with pytest.raises(Unauthenticated):
        await rig.keys.key(rig.around.scope, "k2", "RS256", rig.around.scope.span, worth_a_fetch=False)
    assert rig.fetches == 1
    assert (await rig.key("k2")).secret == "secret of k2", "and it leaves no mark on one that can"


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


async def test_keys_that_could_not_be_refreshed_for_too_long_serve_no_more() -> None:
    """Nobody could say any more which of them were withdrawn."""
    rig = Rig(KeySet(JWKS_URL, ("RS256",), max_stale_seconds=3600), make_scope())
    rig.publish(key_set("k1"), FetchError("connection"))
    await rig.key()
    for _ in range(30):
        rig.wait(120)
        await rig.key()
        await rig.around.ports.background.run()
    rig.wait(120)
    with pytest.raises(KeysUnavailable):
        await rig.key()


async def test_a_refresh_that_failed_is_not_tried_again_with_every_request(rig: Rig) -> None:
    rig.publish(key_set("k1"), FetchError("connection"))
    await rig.key()
    rig.wait(FRESH_SECONDS + 1)
    for _ in range(20):
        await rig.key()
        await rig.around.ports.background.run()
    assert rig.fetches == 2
    rig.wait(REFRESH_RETRY_SECONDS)
    await rig.key()
    await rig.around.ports.background.run()
    assert rig.fetches == 3


async def test_a_withdrawn_key_is_unknown_after_the_refresh(rig: Rig) -> None:
    rig.publish(key_set("k1", "k2"), key_set("k2"))
    await rig.key("k1")
    rig.wait(FRESH_SECONDS + 1)
    await rig.key("k1")
    await rig.around.ports.background.run()
    assert await rig.refused("k1") == "unknown_key"


def html() -> FakeAnswer:
    return FakeAnswer(200, {"content-type": "text/html"}, [b"<html>maintenance</html>"])


BROKEN: dict[str, tuple[FakeAnswer | Exception, str]] = {
    "refused": (FetchError("connection"), "connection"),
    "late": (FetchError("timeout"), "timeout"),
    "reset halfway": (FakeAnswer(200, {}, [b'{"keys":', StreamInterrupted("connection")]), "connection"),
    "stalled halfway": (FakeAnswer(200, {}, [b'{"keys":', StreamInterrupted("timeout")]), "timeout"),
    "server error": (json_answer({}, status=500), "bad_status"),
    "redirect": (FakeAnswer(302, {"location": "https://evil.example"}), "bad_status"),
    "html": (html(), "bad_content"),
    "not utf-8": (FakeAnswer(200, {}, [b"\xff\xfe\xff"]), "bad_content"),
    "half a document": (FakeAnswer(200, {}, [b'{"keys": [']), "bad_content"),
    "a list": (json_answer([fake_jwk("k1")]), "bad_content"),
    "no keys": (json_answer({"keys": {}}), "bad_content"),
    "an empty set": (json_answer({"keys": []}), "no_usable_key"),
    "nothing usable": (json_answer({"keys": [None, 5, "k1", {}, {"kid": 5}]}), "no_usable_key"),
    "keys that are none": (json_answer({"keys": [fake_jwk("k1", n=5)]}), "no_usable_key"),
    "secrets": (json_answer({"keys": [{"kty": "oct", "kid": "k1", "k": "AQAB"}]}), "no_usable_key"),
    "a private key": (json_answer({"keys": [fake_jwk("k1", d="AQAB")]}), "no_usable_key"),
    "a key of two minds": (json_answer({"keys": [fake_jwk("k1", k="AQAB")]}), "no_usable_key"),
    "a key id twice": (json_answer({"keys": [fake_jwk("k1"), fake_jwk("k1", n="other")]}), "duplicate_key"),
    "members twice": (FakeAnswer(200, {}, [b'{"keys":[{"kid":"k1","kid":"k2"}]}']), "bad_content"),
    "thousands of keys": (key_set(*(f"k{number}" for number in range(3000))), "too_large"),
    "oversized": (FakeAnswer(200, {}, [b"[" * 1024] * (MAX_BYTES // 1024 + 1)), "too_large"),
    "nested deeply": (FakeAnswer(200, {}, [b"[" * 100_000]), "bad_content"),
    "a number too long to read": (FakeAnswer(200, {}, [b"9" * 10_000]), "bad_content"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_cold_set_that_cannot_be_had_is_not_the_callers_fault(case: str) -> None:
    rig = Rig(KeySet(JWKS_URL, ("RS256",)), make_scope())
    answer, result = BROKEN[case]
    rig.publish(deepcopy(answer))
    with pytest.raises(KeysUnavailable):
        await rig.key()
    fetches = rig.around.observed.labels("lumigate.key_set.fetches")
    assert fetches == [{"lumigate.key_set.result": result}]
    span = rig.around.observed.span("auth.keys.fetch")
    assert span.attributes["lumigate.key_set.result"] == result
    assert not span.status.is_ok


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_answer_leaves_the_old_keys_in_force(case: str) -> None:
    """Both where a stale set is refreshed and where an unknown key is looked for."""
    rig = Rig(KeySet(JWKS_URL, ("RS256",)), make_scope())
    rig.publish(key_set("k1"))
    await rig.key()
    for answer in BROKEN[case][0], BROKEN[case][0]:
        rig.publish(deepcopy(answer))
    rig.wait(FRESH_SECONDS + 1)
    await rig.key()
    await rig.around.ports.background.run()
    assert await rig.refused("k2") == "unknown_key"
    assert (await rig.key("k1")).secret == "secret of k1"
    assert rig.fetches == 3
    results = {BROKEN[case][1]: 2, "ok": 1}
    for result, count in results.items():
        assert (
            rig.around.observed.total("lumigate.key_set.fetches", lumigate__key_set__result=result) == count
        )


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


async def test_what_is_fetched_is_the_set_as_json_with_no_credentials(rig: Rig) -> None:
    rig.publish(key_set("k1"))
    await rig.key()
    (call,) = rig.around.ports.fetch.calls
    assert (call.method, call.url, call.body) == ("GET", JWKS_URL, None)
    assert call.headers == {"accept": "application/json"}
    assert json.dumps(call.headers).find("authorization") == -1


async def test_a_fetch_that_was_cut_off_is_not_counted_as_a_good_one(rig: Rig) -> None:
    """The client left while the keys were being fetched."""
    task = asyncio.ensure_future(rig.key())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.around.observed.total("lumigate.key_set.fetches", lumigate__key_set__result="ok") == 0
