"""The embedded stand-in for Vectorize finds exactly, stays bounded, and refuses what Vectorize would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.runtime.vectors import MAX_BATCH, MAX_DIMENSIONS, MemoryVectors
from lumigate.cache.near.confirm import cosine

WHERE = {"place": "p"}


async def put(index: MemoryVectors, id: str, values: Any, namespace: str = "n", **metadata: Any) -> None:
    await index.put(id, values, namespace=namespace, metadata={"place": "p"} | metadata)


async def found(index: MemoryVectors, values: Any, namespace: str = "n", limit: int = 3) -> list[str]:
    matches = await index.nearest(values, namespace=namespace, where=WHERE, limit=limit)
    return [match.id for match in matches]


async def test_the_nearest_come_first_out_of_the_namespace_that_is_asked_for() -> None:
    index = MemoryVectors()
    await put(index, "far", (0.0, 1.0))
    await put(index, "near", (1.0, 0.1))
    await put(index, "theirs", (1.0, 0.0), namespace="m")
    await put(index, "elsewhere", (1.0, 0.0), place="q")
    assert await found(index, (1.0, 0.0)) == ["near", "far"]
    assert await found(index, (1.0, 0.0), limit=1) == ["near"]
    await index.delete(["near", "none"])
    assert await found(index, (1.0, 0.0)) == ["far"]


async def test_a_vector_takes_the_place_of_the_one_with_its_id() -> None:
    index = MemoryVectors()
    await put(index, "a", (0.0, 1.0))
    await put(index, "a", (1.0, 0.0))
    (match,) = await index.nearest((1.0, 0.0), namespace="n", where=WHERE, limit=1)
    assert list(match.values) == [1.0, 0.0]


async def test_a_full_index_lets_the_oldest_go() -> None:
    index = MemoryVectors(capacity=2)
    for name in "abc":
        await put(index, name, (1.0, 0.0))
    assert len(index) == 2
    assert set(await found(index, (1.0, 0.0))) == {"b", "c"}


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        ((), {}),
        ((1.0, float("nan")), {}),
        ([0.5] * (MAX_DIMENSIONS + 1), {}),
        ((1.0, 0.0), {"id": "i" * 65}),
        ((1.0, 0.0), {"id": ""}),
        ((1.0, 0.0), {"namespace": "名" * 22}),
        ((1.0, 0.0), {"metadata": {"text": "x" * 10_240}}),
    ],
    ids=["none", "no number", "too many", "long id", "no id", "long namespace", "large metadata"],
)
async def test_what_vectorize_refuses_is_refused(values: Any, changes: dict[str, Any]) -> None:
    arguments = {"id": "i", "namespace": "n", "metadata": {}} | changes
    with pytest.raises(ValueError, match=r"bytes|vector"):
        await MemoryVectors().put(arguments.pop("id"), values, **arguments)


async def test_all_vectors_are_of_one_length() -> None:
    index = MemoryVectors()
    await put(index, "a", (1.0, 0.0))
    with pytest.raises(ValueError, match="3 numbers"):
        await put(index, "b", (1.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="1 numbers"):
        await found(index, (1.0,))


@pytest.mark.parametrize("limit", [0, 21])
async def test_so_many_are_found_and_no_more(limit: int) -> None:
    with pytest.raises(ValueError, match="topK"):
        await found(MemoryVectors(), (1.0, 0.0), limit=limit)


async def test_so_many_are_deleted_at_once_and_no_more() -> None:
    with pytest.raises(ValueError, match="at most"):
        await MemoryVectors().delete(["a"] * (MAX_BATCH + 1))


NUMBERS = st.tuples(*[st.integers(-127, 127)] * 4)


@given(st.lists(NUMBERS, min_size=1, max_size=20), NUMBERS)
async def test_nothing_nearer_is_ever_left_out(kept: list[tuple[int, ...]], asked: tuple[int, ...]) -> None:
    index = MemoryVectors()
    for number, values in enumerate(kept):
        await put(index, f"{number}", values)
    matches = await index.nearest(asked, namespace="n", where=WHERE, limit=3)
    nearest = sorted((cosine(asked, values) for values in kept), reverse=True)[:3]
    assert [cosine(asked, match.values) for match in matches] == pytest.approx(nearest)
