from collections import Counter
from typing import Any

import pytest

from lumigate.shard import Outbox, shard_index, shard_name, shard_names
from lumigate.shard.outbox import CAPACITY, LIFETIME_NS
from lumigate.shard.seen import WINDOW
from lumigate.shard.settings import ShardSettings
from lumigate.telemetry.records import MetricData
from tests.shard.deltas import SECOND, START, EvictableShard, counter


def test_a_batch_stays_the_same_until_it_is_settled() -> None:
    """A retry carries the same number and the same content, whatever was sealed since."""
    outbox = Outbox("a")
    outbox.seal([counter(1)], START)
    (first,) = outbox.due(START)
    outbox.seal([counter(2)], START + SECOND)
    assert [batch.sequence for batch in outbox.due(START + SECOND)] == [1, 2]
    assert outbox.due(START + SECOND)[0] is first
    outbox.settle(1, {"status": "stored"})
    assert [batch.sequence for batch in outbox.due(START + SECOND)] == [2]


def test_no_deltas_make_no_batch() -> None:
    """An idle isolate sends nothing."""
    outbox = Outbox("a")
    outbox.seal([], START)
    assert not outbox.due(START)


def test_an_answer_settles_as_it_says() -> None:
    """Stored and duplicate end a batch, a refusal for good hands it back, anything unclear is tried again."""
    outbox = Outbox("a")
    for _ in range(6):
        outbox.seal([counter(1)], START)
    assert outbox.settle(1, {"status": "stored"}) is None
    assert outbox.settle(2, {"status": "duplicate"}) is None
    refused = outbox.settle(3, {"status": "refused", "retry": False})
    assert refused is not None
    assert refused.sequence == 3
    assert outbox.settle(4, {"status": "refused", "retry": True}) is None
    assert outbox.settle(5, {}) is None
    assert outbox.settle(1, {"status": "stored"}) is None
    assert [batch.sequence for batch in outbox.due(START)] == [4, 5, 6]
    assert outbox.counts == Counter(batches_stored=2, batches_refused=1, batches_retried=2, points_skipped=0)


def test_the_outbox_is_full_at_its_capacity() -> None:
    """From then on deltas stay in the instruments; nothing is dropped."""
    outbox = Outbox("a")
    while outbox.has_room:
        outbox.seal([counter(1)], START)
    assert len(outbox) == CAPACITY
    outbox.settle(1, {"status": "stored"})
    assert outbox.has_room


def test_a_batch_too_old_is_given_up_and_counted() -> None:
    """Before the shard could have forgotten the isolate."""
    outbox = Outbox("a")
    outbox.seal([counter(1)], START)
    assert outbox.due(START + LIFETIME_NS)
    assert not outbox.due(START + LIFETIME_NS + 1)
    assert outbox.counts["batches_expired"] == 1


def test_the_bounds_of_both_sides_agree() -> None:
    """The isolate never has more outstanding, nor for longer, than the shard remembers."""
    assert 2 * CAPACITY < WINDOW
    assert ShardSettings().isolate_idle_ns > 2 * LIFETIME_NS


def test_isolates_are_spread_evenly_and_stay() -> None:
    """The same isolate and count give the same shard."""
    found = Counter(shard_index(f"{n:032x}", 8) for n in range(8_000))
    assert set(found) == set(range(8))
    assert max(found.values()) < 1.2 * min(found.values())
    assert {shard_index(f"{n:032x}", 1) for n in range(100)} == {0}


def test_shards_keep_their_names_whatever_the_count() -> None:
    """Another count is more shards or fewer, never the same ones under other names."""
    assert shard_names(2) == [shard_name(0), shard_name(1)] == shard_names(4)[:2]
    assert shard_names(1, retiring=4) == shard_names(4)
    assert shard_names(0) == [shard_name(0)]


MANY: dict[str, Any] = {f"k{n}": "v" for n in range(65)}
LONG: dict[str, Any] = {f"k{n}": "v" * 256 for n in range(40)}


@pytest.mark.parametrize(
    "odd",
    [
        counter(float("nan")),
        counter(1 << 62 | 1),
        counter(1, **MANY),
        counter(1, **LONG),
        counter(1, k=object()),  # type: ignore[arg-type]
    ],
    ids=["not a number", "too large", "too many attributes", "too long attributes", "no attribute"],
)
def test_a_point_that_the_shard_would_refuse_costs_no_other_its_place(odd: MetricData) -> None:
    """A batch is refused whole: everything that was measured in its window would be lost for good."""
    outbox, shard = Outbox("i"), EvictableShard()
    outbox.seal([counter(1, "before"), odd, counter(2, "after")], START)
    (batch,) = outbox.due(START)
    answer = shard.shard.push(batch.message(), START)
    shard.close()
    assert answer["status"] == "stored"
    assert outbox.counts["points_skipped"] == 1
