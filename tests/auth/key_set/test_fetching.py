"""When the set is fetched, by whom, and who waits for it."""

from __future__ import annotations

import asyncio
import json

import pytest

from lumigate.auth.key_set import (
    COLD_WAIT_SECONDS,
    FETCH_LEASE_SECONDS,
    FRESH_SECONDS,
    REFRESH_RETRY_SECONDS,
    KeySet,
)
from lumigate.errors import KeysUnavailable
from lumigate.ports import FetchError
from tests.auth.key_set.rig import Rig
from tests.fakes import JWKS_URL, FakeAnswer, key_set, make_scope


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


async def test_a_fetch_that_was_cut_off_keeps_no_other_request_waiting(rig: Rig) -> None:
    """Otherwise whoever came after an impatient client would be told that there are no keys."""
    task = asyncio.ensure_future(rig.key())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rig.publish(key_set("k1"))
    assert (await rig.key()).secret == "secret of k1"
