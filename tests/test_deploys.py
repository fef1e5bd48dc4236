"""Deployments settle as kept or rolled back, also when two versions take turns."""

from __future__ import annotations

from itertools import cycle

import pytest

from lumigate.deploys import KEY, SETTLE_MINUTES, Seen, observe, watch
from tests.fakes import FakeKeyValue


def run(versions: list[str]) -> list[str]:
    """One cron run a minute; what was settled, in order."""
    seen: Seen | None = None
    results = []
    for minute, version in enumerate(versions):
        seen, result = observe(seen, version, minute * 60)
        if result:
            results.append(result)
    return results


def test_the_first_version_ever_is_no_deployment() -> None:
    assert run(["a"] * 100) == []


def test_a_version_that_stays_is_kept() -> None:
    assert run(["a"] * 5 + ["b"] * 100) == ["kept"]


def test_a_version_that_goes_again_was_rolled_back() -> None:
    assert run(["a"] * 5 + ["b"] * 10 + ["a"] * 100) == ["rolled_back"]


def test_a_gradual_rollout_is_settled_once_at_its_end() -> None:
    taking_turns = [version for version, _ in zip(cycle("ab"), range(200), strict=False)]
    assert run(["a"] * 5 + taking_turns) == []
    assert run(["a"] * 5 + taking_turns + ["b"] * 100) == ["kept"]
    assert run(["a"] * 5 + taking_turns + ["a"] * 100) == ["rolled_back"]


def test_a_fix_forward_is_no_rollback() -> None:
    assert run(["a"] * 5 + ["b"] * 10 + ["c"] * 100) == ["kept"]


def test_it_takes_its_time() -> None:
    assert run(["a"] + ["b"] * SETTLE_MINUTES) == ["kept"]
    assert run(["a"] + ["b"] * (SETTLE_MINUTES - 1)) == []


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"current": 1, "more": 2}'])
async def test_what_cannot_be_read_starts_anew(junk: bytes) -> None:
    store = FakeKeyValue()
    await store.put(KEY, junk, ttl_seconds=60)
    assert await watch(store, "a", 0) == ""
    assert await watch(store, "a", 60) == ""


async def test_what_was_seen_outlives_the_isolate() -> None:
    store = FakeKeyValue()
    await watch(store, "a", 0)
    await watch(store, "b", 60)
    assert await watch(store, "b", 60 + SETTLE_MINUTES * 60) == "kept"
