"""Answers that are no key set leave the old keys in force."""

from __future__ import annotations

from copy import deepcopy

import pytest

from lumigate.auth.key_document import MAX_BYTES
from lumigate.auth.key_set import FRESH_SECONDS, KeySet
from lumigate.errors import KeysUnavailable
from lumigate.ports import FetchError, StreamInterrupted
from tests.auth.key_set.rig import Rig
from tests.fakes import JWKS_URL, FakeAnswer, fake_jwk, json_answer, key_set, make_scope


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
