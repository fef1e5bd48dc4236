from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lumigate.cache.entry import Entry
from lumigate.cache.memory import CAPACITY as NO_ROOM
from lumigate.cache.memory import EXPIRED, PURGED, MemoryTier

CAPACITY = 8000
TTL_SECONDS = 100.0
SECOND = 1_000_000_000
KEYS = st.sampled_from("abcdefgh")


def entry(body_bytes: int = 100, expires_ns: int = 10**18) -> Entry:
    return Entry(
        content_type="application/json",
        provider="openai",
        model="m",
        input_tokens=0,
        output_tokens=0,
        cost_usd=0.0,
        asked_ns=0,
        fresh_ns=expires_ns,
        expires_ns=expires_ns,
        body=b"x" * body_bytes,
    )


class MemoryTierMachine(RuleBasedStateMachine):
    """The tier against a plain list, the least recently used first."""

    def __init__(self) -> None:
        super().__init__()
        self.tier = MemoryTier(CAPACITY, TTL_SECONDS)
        self.now_ns = 0
        self.model: list[tuple[str, int, Entry]] = []
        self.left = {NO_ROOM: 0, EXPIRED: 0, PURGED: 0}

    @rule(key=KEYS, body_bytes=st.integers(0, CAPACITY), lives_seconds=st.integers(1, 200))
    def put(self, key: str, body_bytes: int, lives_seconds: int) -> None:
        stored = entry(body_bytes, self.now_ns + lives_seconds * SECOND)
        self.model = [row for row in self.model if row[0] != key]
        fits = stored.size <= CAPACITY // 4
        assert self.tier.put(key, stored, self.now_ns) is fits
        if fits:
            expires = min(stored.expires_ns, self.now_ns + int(TTL_SECONDS * SECOND))
            self.model.append((key, expires, stored))
        while sum(row[2].size for row in self.model) > CAPACITY:
            _, expires, _ = self.model.pop(0)
            self.left[EXPIRED if self.now_ns >= expires else NO_ROOM] += 1

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        row = next((row for row in self.model if row[0] == key), None)
        if row is None:
            assert self.tier.get(key, self.now_ns) == ("miss", None)
            return
        self.model.remove(row)
        if self.now_ns >= row[1]:
            self.left[EXPIRED] += 1
            assert self.tier.get(key, self.now_ns) == ("expired", None)
        else:
            assert self.tier.get(key, self.now_ns) == ("hit", row[2])
            self.model.append(row)

    @rule(key=KEYS)
    def peek(self, key: str) -> None:
        """Looking is no use: the order in which entries leave stays what it was."""
        row = next((row for row in self.model if row[0] == key and self.now_ns < row[1]), None)
        assert self.tier.peek(key, self.now_ns) == (None if row is None else row[2])

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        there = any(row[0] == key for row in self.model)
        assert self.tier.remove(key) is there
        self.left[PURGED] += there
        self.model = [row for row in self.model if row[0] != key]

    @rule(keys=st.sets(KEYS, max_size=3))
    def purge(self, keys: set[str]) -> None:
        dead = [row for row in self.model if row[0] in keys]
        assert self.tier.remove_where(lambda key, _: key in keys) == len(dead)
        self.left[PURGED] += len(dead)
        self.model = [row for row in self.model if row[0] not in keys]

    @precondition(lambda self: self.model)
    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * SECOND

    @invariant()
    def holds_what_the_model_holds_within_its_bound(self) -> None:
        assert len(self.tier) == len(self.model)
        assert self.tier.bytes == sum(row[2].size for row in self.model) <= CAPACITY
        assert {reason: self.tier.left[reason] for reason in self.left} == self.left


MemoryTierMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMemoryTier = MemoryTierMachine.TestCase


def test_the_least_recently_used_leaves_first() -> None:
    tier = MemoryTier(4 * entry().size, TTL_SECONDS)
    for key in "abcd":
        tier.put(key, entry(), 0)
    tier.get("a", 0)
    tier.put("e", entry(), 0)
    assert [key for key in "abcde" if tier.get(key, 0)[0] == "hit"] == ["a", "c", "d", "e"]
    assert tier.take_left()[NO_ROOM] == 1
    assert not tier.take_left()


def test_an_entry_lives_as_long_as_the_tier_says_or_itself_whichever_is_shorter() -> None:
    tier = MemoryTier(10_000, 100)
    tier.put("short", entry(expires_ns=50 * SECOND), 0)
    tier.put("long", entry(expires_ns=500 * SECOND), 0)
    assert tier.get("short", 50 * SECOND - 1)[0] == "hit"
    assert tier.get("short", 50 * SECOND) == ("expired", None)
    assert tier.get("short", 50 * SECOND) == ("miss", None)
    assert tier.get("long", 100 * SECOND - 1)[0] == "hit"
    assert tier.get("long", 100 * SECOND) == ("expired", None)


def test_a_large_answer_does_not_empty_the_tier_and_replaces_nothing_stale() -> None:
    """One over a quarter of the tier is refused; the older answer under its key must not be served for it."""
    tier = MemoryTier(8000, 100)
    tier.put("small", entry(), 0)
    tier.put("key", entry(), 0)
    assert tier.put("key", entry(2000), 0) is False
    assert tier.get("key", 0) == ("miss", None)
    assert tier.get("small", 0)[0] == "hit"
