"""The vector index as a tier: a budget, a breaker, counted; and a register without which nothing goes there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from local.runtime.vectors import MemoryVectors
from lumigate.cache.asked import Asked
from lumigate.cache.near.vectors import NearVectors
from lumigate.ports import VectorMatch
from lumigate.scope import Scope
from tests.cache.near.rig import embed, question
from tests.cache.rig import lookups, make_entry
from tests.fakes import FakeKeyValue, ScopeUnderTest, fake_ports, make_scope

WHO_WROTE = "Who wrote Hamlet?"
AUTHOR = "Who is the author of Hamlet?"


class Faulty(MemoryVectors):
    """Raises `fault`, or says nothing for longer than anybody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Exception | None = None
        self.silent = False
        self.asked = 0

    async def nearest(
        self, values: Sequence[float], *, namespace: str, where: Mapping[str, str], limit: int
    ) -> Sequence[VectorMatch]:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        return await super().nearest(values, namespace=namespace, where=where, limit=limit)


class Stage:
    """A vector tier and a scope for it."""

    def __init__(self, *, budget_ms: float = 1000) -> None:
        self.index, self.store = Faulty(), FakeKeyValue()
        self.rig: ScopeUnderTest = make_scope(ports=fake_ports(vectors=self.index, key_value=self.store))
        self.near = NearVectors(keys=None, budget_ms=budget_ms, threshold=0.85)

    async def find(self, text: str = AUTHOR, embedding: Any = embed) -> list[float]:
        with self.rig.scope.step("cache.lookup") as lookup:
            asked = question(self.rig, text)
            return [near for _, near in await self.near.nearest(self.rig.scope, asked, lookup, embedding)]

    async def learn(self, text: str = WHO_WROTE, embedding: Any = embed) -> None:
        asked = question(self.rig, text)
        await self.near.learn(self.rig.scope, asked, make_entry(self.rig, asked), embedding)

    def written(self, result: str) -> float:
        return self.rig.observed.total(
            "lumigate.cache.writes", lumigate__cache__tier="vectors", lumigate__cache__write=result
        )

    def changes(self, state: str) -> float:
        return self.rig.observed.total(
            "lumigate.cache.breaker.changes", lumigate__cache__tier="vectors", lumigate__cache__breaker=state
        )


async def test_what_is_learnt_and_found_is_counted() -> None:
    stage = Stage()
    assert await stage.find() == []
    await stage.learn()
    (near,) = await stage.find()
    assert 0.9 < near < 1
    assert stage.written("stored") == 1
    assert lookups(stage.rig) == {("vectors", "miss"): 1, ("vectors", "near"): 1}


async def test_three_failures_in_a_row_open_the_breaker_and_one_probe_closes_it() -> None:
    stage = Stage()
    stage.index.fault = OSError("VECTOR_QUERY_ERROR")
    for _ in range(5):
        assert await stage.find() == []
    assert stage.index.asked == 3
    stage.index.fault = None
    stage.rig.ports.clock.advance(6)
    await stage.find()
    assert lookups(stage.rig) == {("vectors", "error"): 3, ("vectors", "skipped"): 2, ("vectors", "miss"): 1}
    assert [stage.changes(state) for state in ("open", "half_open", "closed")] == [1, 1, 1]


async def test_while_the_breaker_is_open_nothing_is_written() -> None:
    stage = Stage()
    stage.index.fault = OSError("VECTOR_QUERY_ERROR")
    for _ in range(3):
        await stage.find()
    await stage.learn()
    assert (len(stage.index), stage.store.values) == (0, {})


async def test_an_index_that_says_nothing_is_given_up_at_the_budget() -> None:
    stage = Stage(budget_ms=20)
    stage.index.silent = True
    assert await stage.find() == []
    assert stage.rig.observed.span("cache.vectors").attributes["error.type"] == "TimeoutError"


async def test_a_model_that_gives_no_embedding_is_no_fault_of_the_index() -> None:
    """A tenant at its limit must not close the index to the others."""
    stage = Stage()

    async def nothing(_: Scope, __: Asked) -> None:
        return None

    for _ in range(4):
        assert await stage.find(embedding=nothing) == []
    await stage.learn(embedding=nothing)
    assert lookups(stage.rig) == {("vectors", "error"): 4}
    assert stage.near.breaker.state(stage.rig.ports.clock.now_ns()) == "closed"
    assert len(stage.index) == 0


async def test_a_register_that_fails_keeps_the_vector_away() -> None:
    stage = Stage()
    stage.store.fault = OSError("KV is down")
    await stage.learn()
    assert len(stage.index) == 0
    assert stage.written("error") == 1


async def test_an_index_that_refuses_a_vector_is_counted_and_raises_nothing() -> None:
    stage = Stage()
    await stage.index.put("id", (1.0, 0.0), namespace="n", metadata={"a": 1})
    await stage.learn()
    assert stage.written("error") == 1


async def test_a_vector_is_of_no_use_past_its_time() -> None:
    stage = Stage()
    await stage.learn()
    stage.rig.ports.clock.advance(3601)
    assert await stage.find() == []
