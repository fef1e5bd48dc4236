from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from lumigate.auth.key_set import (
    COLD_WAIT_SECONDS,
    FETCH_LEASE_SECONDS,
    FRESH_SECONDS,
    MAX_BYTES,
    MAX_KEYS,
    UNKNOWN_KEY_WAIT_SECONDS,
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
        key = await self.keys.key(self.around.scope, kid, self.around.scope.span)
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
    return Rig(KeySet(JWKS_URL, "RS256"), make_scope())


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
    rig.wait(UNKNOWN_KEY_WAIT_SECONDS)
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
    assert rig.fetches == 1, "the set had just been fetched"
    rig.wait(UNKNOWN_KEY_WAIT_SECONDS)
    for _ in range(5):
        assert await rig.refused("junk") == "unknown_key"
    assert rig.fetches == 2


async def test_a_new_key_is_found_by_the_refetch_its_token_causes(rig: Rig) -> None:
    rig.publish(key_set("k1"), key_set("k1", "k2"))
    await rig.key()
    rig.wait(UNKNOWN_KEY_WAIT_SECONDS)
    assert (await rig.key("k2")).secret == "secret of k2"


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
    "an empty set": (json_answer({"keys": []}), "bad_content"),
    "nothing usable": (json_answer({"keys": [None, 5, "k1", {}, {"kid": 5}]}), "bad_content"),
    "oversized": (FakeAnswer(200, {}, [b"[" * 1024] * (MAX_BYTES // 1024 + 1)), "bad_content"),
    "nested deeply": (FakeAnswer(200, {}, [b"[" * 100_000]), "bad_content"),
    "a number too long to read": (FakeAnswer(200, {}, [b"9" * 10_000]), "bad_content"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_cold_set_that_cannot_be_had_is_not_the_callers_fault(case: str) -> None:
    rig = Rig(KeySet(JWKS_URL, "RS256"), make_scope())
    answer, result = BROKEN[case]
    rig.publish(answer)
    with pytest.raises(KeysUnavailable):
        await rig.key()
    fetches = rig.around.observed.labels("lumigate.key_set.fetches")
    assert fetches == [{"lumigate.key_set.result": result}]
    span = rig.around.observed.span("auth.keys.fetch")
    assert span.attributes["lumigate.key_set.result"] == result
    assert not span.status.is_ok


@pytest.mark.parametrize("case", ["refused", "server error", "html", "an empty set", "nothing usable"])
async def test_a_broken_answer_leaves_the_old_keys_in_force(case: str) -> None:
    """Both where a stale set is refreshed and where an unknown key is looked for."""
    rig = Rig(KeySet(JWKS_URL, "RS256"), make_scope())
    rig.publish(key_set("k1"))
    await rig.key()
    answer = BROKEN[case][0]
    rig.publish(answer if isinstance(answer, Exception) else FakeAnswer(503))
    rig.wait(FRESH_SECONDS + 1)
    await rig.key()
    await rig.around.ports.background.run()
    rig.wait(UNKNOWN_KEY_WAIT_SECONDS)
    assert await rig.refused("k2") == "unknown_key"
    assert (await rig.key("k1")).secret == "secret of k1"


@pytest.mark.parametrize(
    "strange",
    [
        fake_jwk("strange", use="enc"),
        fake_jwk("strange", alg="RS512"),
        fake_jwk("strange", alg=["RS256"]),
        fake_jwk("strange", n=None),
        {"kty": "EC", "kid": "strange"},
    ],
)
async def test_keys_that_are_not_for_this_are_passed_over(strange: dict[str, Any]) -> None:
    rig = Rig(KeySet(JWKS_URL, "RS256"), make_scope())
    rig.publish(json_answer({"keys": [strange, fake_jwk("k1", use="sig", alg="RS256")]}))
    await rig.key("k1")
    assert await rig.refused("strange") == "unknown_key"


async def test_a_hostile_set_of_many_keys_is_read_to_a_bound(rig: Rig) -> None:
    rig.publish(key_set(*(f"k{number}" for number in range(MAX_KEYS + 50))))
    await rig.key(f"k{MAX_KEYS - 1}")
    assert await rig.refused(f"k{MAX_KEYS}") == "unknown_key"


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
