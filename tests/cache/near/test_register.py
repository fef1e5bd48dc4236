"""Vectors can be neither listed nor left to expire, so their names are kept apart."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from local.runtime.vectors import MemoryVectors
from lumigate.cache.near.register import (
    A_CALL,
    delete_vector,
    erase_vectors,
    register,
    sweep_vectors,
    vector_id,
)
from lumigate.cache.settings import MAX_TTL_SECONDS
from tests.fakes import FakeKeyValue

DAY = 86_400
NOW = 20_000 * DAY + 5
KEY = "0123456789abcdef" * 4


async def keep(
    store: FakeKeyValue, index: MemoryVectors, key: str, until_s: int, tenant: str = "t:acme"
) -> None:
    await register(store, tenant, key, now_s=NOW, until_s=until_s)
    await index.put(vector_id(key, until_s), (1.0, 0.0), namespace="n", metadata={"key": key})


def key_of(number: int) -> str:
    return f"{number:064x}"[::-1]


def test_an_id_is_no_longer_than_vectorize_takes() -> None:
    assert len(vector_id(KEY, NOW)) == 64
    assert vector_id(KEY, NOW) != vector_id(KEY, NOW + DAY)


async def test_a_name_outlives_its_vector_however_long_that_is_kept() -> None:
    """A vector without a name could neither be swept nor erased."""
    store, index = FakeKeyValue(), MemoryVectors()
    await keep(store, index, KEY, NOW + MAX_TTL_SECONDS)
    (lives_for,) = store.ttl_seconds.values()
    assert lives_for >= MAX_TTL_SECONDS + 7 * DAY


async def test_a_sweep_takes_days_that_are_over_and_no_more_than_it_can() -> None:
    store, index = FakeKeyValue(), MemoryVectors()
    for number in range(A_CALL + 5):
        await keep(store, index, key_of(number), NOW - DAY)
    await keep(store, index, KEY, NOW)
    assert await sweep_vectors(store, index, NOW) == A_CALL
    assert await sweep_vectors(store, index, NOW) == 5
    assert await sweep_vectors(store, index, NOW) == 0
    assert (len(index), len(store.values)) == (1, 1)


async def test_an_index_that_fails_keeps_the_names_for_the_next_run() -> None:
    class Broken(MemoryVectors):
        async def delete(self, ids: object) -> None:
            raise OSError("VECTOR_DELETE_ERROR")

    store, index = FakeKeyValue(), Broken()
    await keep(store, index, KEY, NOW - DAY)
    try:
        await sweep_vectors(store, index, NOW)
    except OSError:
        assert len(store.values) == 1
    else:
        raise AssertionError("it must be told")


async def test_a_key_is_deleted_whatever_day_it_lies_under() -> None:
    store, index = FakeKeyValue(), MemoryVectors()
    for days in range(3):
        await keep(store, index, KEY, NOW + days * DAY)
    await keep(store, index, key_of(7), NOW)
    await delete_vector(index, KEY, NOW, 2 * DAY)
    assert len(index) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(-3, 3), st.sampled_from(["t:acme", "t:globex", "shared"])),
        max_size=40,
        unique_by=lambda each: each[0],
    )
)
def test_an_erasure_takes_all_of_one_tenant_and_nothing_of_another(kept: list[tuple[int, int, str]]) -> None:
    async def run() -> None:
        store, index = FakeKeyValue(), MemoryVectors()
        for number, days, tenant in kept:
            await keep(store, index, key_of(number), NOW + days * DAY, tenant)
        erased, more = await erase_vectors(store, index, "t:acme", NOW, 3 * DAY)
        others = [each for each in kept if each[2] != "t:acme"]
        assert (erased, more) == (len(kept) - len(others), False)
        assert len(index) == len(others) == len(store.values)

    asyncio.run(run())


async def test_more_than_one_call_can_delete_is_told() -> None:
    store, index = FakeKeyValue(), MemoryVectors()
    for number in range(A_CALL + 1):
        await keep(store, index, key_of(number), NOW)
    assert await erase_vectors(store, index, "t:acme", NOW, DAY) == (A_CALL, True)
    assert await erase_vectors(store, index, "t:acme", NOW, DAY) == (1, False)
