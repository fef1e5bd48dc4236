"""Keys that the set does not have: found soon if they are new, and no lever for junk."""

from __future__ import annotations

import pytest

from lumigate.auth.key_set import REFETCH_BURST, REFETCH_SECONDS, UNKNOWN_KEY_SECONDS, UNKNOWN_KEYS_REMEMBERED
from lumigate.errors import Unauthenticated
from tests.auth.key_set.rig import Rig
from tests.fakes import FakeAnswer, key_set


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


async def test_an_id_that_is_unknown_for_one_algorithm_is_looked_for_under_another(rig: Rig) -> None:
    """Else junk in the name of a key that is about to be published would keep its tokens out for a minute."""
    rig.publish(key_set("k1"), key_set("k1"), key_set("k1", "k2"))
    await rig.key()
    scope = rig.around.scope
    with pytest.raises(Unauthenticated):
        await rig.keys.key(scope, "k2", "ES256", scope.span)
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
