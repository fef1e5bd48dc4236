"""The tiers of two isolates over one KV and one R2, against a model in plain dictionaries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from lumigate.cache.asked import Asked
from lumigate.cache.entry import Entry
from lumigate.cache.key import namespace_of
from lumigate.cache.policy import Ruling
from lumigate.cache.purge import Purger, target_of
from lumigate.cache.settings import CacheRules, CacheSettings
from lumigate.cache.tiers import TieredCache
from tests.cache.rig import SECOND, make_rig
from tests.fakes import FakeClock, FakeKeyValue, settle

L1_TTL, L2_TTL, L3_TTL, REVALIDATE, ON_ERROR = 100, 300, 900, 50, 120
RULES = CacheRules(
    l1_ttl_seconds=L1_TTL,
    l2_ttl_seconds=L2_TTL,
    l3_ttl_seconds=L3_TTL,
    stale_while_revalidate_seconds=REVALIDATE,
    stale_if_error_seconds=ON_ERROR,
)
ISOLATES, TENANTS, KEYS = (
    st.integers(0, 1),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["0" * 64, "1" * 64]),
)
ALIASES, TAGS = st.sampled_from(["fast", "slow"]), st.sampled_from(["x", "y"])


class ExpiringKeyValue(FakeKeyValue):
    """KV as it is: an entry is gone when its time is up."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self._ends: dict[str, int] = {}

    async def get(self, key: str) -> bytes | None:
        return await super().get(key) if self._clock.ns < self._ends.get(key, 0) else None

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        assert ttl_seconds >= 60
        self._ends[key] = self._clock.ns + ttl_seconds * SECOND
        await super().put(key, value, ttl_seconds=ttl_seconds)


@dataclass(kw_only=True)
class Plain:
    """What each tier holds: place → until when, and the entry."""

    memory: list[dict[tuple[str, str], tuple[int, Entry]]] = field(default_factory=lambda: [{}, {}])
    kv: dict[tuple[str, str], tuple[int, Entry]] = field(default_factory=dict)
    r2: dict[tuple[str, str], Entry] = field(default_factory=dict)
    purges: list[tuple[int, str | None, str, str]] = field(default_factory=list)

    def is_purged(self, tenant: str, key: str, entry: Entry) -> bool:
        for instant, whose, kind, name in self.purges:
            if entry.asked_ns > instant or whose not in (None, tenant):
                continue
            if kind == "all" or name == {"key": key, "model": entry.alias}.get(kind) or name in entry.tags:
                return True
        return False

    def put(self, isolate: int, place: tuple[str, str], entry: Entry, now: int) -> None:
        self.memory[isolate][place] = (min(now + L1_TTL * SECOND, entry.expires_ns), entry)

    def put_kv(self, place: tuple[str, str], entry: Entry, now: int) -> None:
        left = -(-(entry.expires_ns - now) // SECOND)
        self.kv[place] = (now + max(60, min(L2_TTL, left)) * SECOND, entry)

    def lookup(
        self, isolate: int, place: tuple[str, str], now: int, max_age: int | None
    ) -> tuple[str, Entry | None]:
        memory = self.memory[isolate]
        if place in memory and now >= memory[place][0]:
            del memory[place]
        for tier in ("l1", "l2", "l3"):
            found: Entry | None = None
            if tier == "l1" and place in memory:
                found = memory[place][1]
                if self.is_purged(*place, found):
                    del memory[place]
            elif tier == "l2" and place in self.kv and now < self.kv[place][0]:
                found = self.kv[place][1]
            elif tier == "l3":
                found = self.r2.get(place)
            kind = "" if found is None else self._judge(place, found, now, max_age)
            if found is None or not kind:
                continue
            if tier != "l1":
                self.put(isolate, place, found, now)
            if tier == "l3":
                self.put_kv(place, found, now)
            return f"{kind}-{tier}", found
        return "miss", None

    def _judge(self, place: tuple[str, str], entry: Entry, now: int, max_age: int | None) -> str:
        if now >= entry.expires_ns or self.is_purged(*place, entry):
            return ""
        if max_age is not None and (now >= entry.fresh_ns or (now - entry.asked_ns) // SECOND > max_age):
            return ""
        if now < entry.fresh_ns:
            return "hit"
        return "stale" if now - entry.fresh_ns < REVALIDATE * SECOND else ""


class TiersMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rig = make_rig()
        self.clock = self.rig.ports.clock
        self.rig.ports.key_value = ExpiringKeyValue(self.clock)
        chosen = CacheSettings(stampede_ms=0, purge_seen_seconds=0, rules=RULES)
        self.isolates = [TieredCache(chosen), TieredCache(chosen)]
        self.plain = Plain()
        self.loop = asyncio.new_event_loop()
        self.made = 0

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Any) -> Any:
        async def whole() -> Any:
            result = await work
            await self.rig.ports.background.run()
            await settle()
            return result

        return self.loop.run_until_complete(whole())

    def asked(self, tenant: str, key: str, *, alias: str = "fast", ttl: int = L3_TTL, **more: Any) -> Asked:
        return Asked(
            key=key,
            namespace=namespace_of(tenant, shared=False),
            alias=alias,
            rules=RULES,
            ruling=Ruling(reads=True, writes=True, ttl_seconds=ttl, **more),
            asked_ns=self.clock.ns,
            stream=False,
            wants_usage=False,
        )

    @rule(
        isolate=ISOLATES,
        tenant=TENANTS,
        key=KEYS,
        alias=ALIASES,
        ttl=st.integers(1, L3_TTL),
        tags=st.lists(TAGS, max_size=2, unique=True),
    )
    def store(self, isolate: int, tenant: str, key: str, alias: str, ttl: int, tags: list[str]) -> None:
        asked = self.asked(tenant, key, alias=alias, ttl=ttl, tags=tuple(tags))
        self.made += 1
        entry = asked.entry(
            f"{tenant} {self.made}".encode(),
            provider="openai",
            model="m",
            input_tokens=1,
            output_tokens=1,
            cost_usd=0.0,
            now_ns=self.clock.ns,
        )

        async def keep() -> None:
            self.isolates[isolate].store(self.rig.scope, asked, entry)

        self.run(keep())
        self.plain.put(isolate, (tenant, key), entry, self.clock.ns)
        self.plain.put_kv((tenant, key), entry, self.clock.ns)
        self.plain.r2[tenant, key] = entry

    @rule(isolate=ISOLATES, tenant=TENANTS, key=KEYS, max_age=st.none() | st.integers(0, 400))
    def look(self, isolate: int, tenant: str, key: str, max_age: int | None) -> None:
        asked = self.asked(tenant, key, max_age_seconds=max_age)
        found = self.run(self.isolates[isolate].lookup(self.rig.scope, asked))
        outcome, entry = self.plain.lookup(isolate, (tenant, key), self.clock.ns, max_age)
        assert self.rig.scope.facts.cache == outcome
        assert (None if found is None else found.entry) == entry
        if entry is not None:
            assert entry.body.startswith(tenant.encode())

    @rule(seconds=st.integers(1, 150))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(
        isolate=ISOLATES,
        tenant=st.none() | TENANTS,
        what=st.one_of(
            st.just({}),
            ALIASES.map(lambda alias: {"model": alias}),
            TAGS.map(lambda tag: {"tag": tag}),
            KEYS.map(lambda key: {"key": key}),
        ),
    )
    def purge(self, isolate: int, tenant: str | None, what: dict[str, str]) -> None:
        whose = tenant or ("a" if "key" in what else None)
        namespace = None if whose is None else namespace_of(whose, shared=False)
        named = {"key": None, "model": None, "tag": None} | what
        target = target_of(namespace=namespace, **named)
        self.run(Purger(self.isolates[isolate]).purge(self.rig.scope, target))
        self.plain.purges.append((self.clock.ns, whose, target.kind, target.name))
        for place in list(self.plain.memory[isolate]):
            if self.plain.is_purged(*place, self.plain.memory[isolate][place][1]):
                del self.plain.memory[isolate][place]
        if "key" in what and whose is not None:
            self.plain.kv.pop((whose, what["key"]), None)
            self.plain.r2.pop((whose, what["key"]), None)
        self.clock.advance(1)  # a purge takes out what was asked for in its own millisecond, too


TiersMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTiers = TiersMachine.TestCase
