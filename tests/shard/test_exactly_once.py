import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.shard import Outbox, ShardSettings
from lumigate.shard.seen import WINDOW, SeenBatches
from lumigate.shard.settings import ShardSettings as Settings
from tests.shard.deltas import HOUR, MINUTE, SECOND, START, EvictableShard, counter, sealed, value


def total(held: EvictableShard, now_ns: int) -> float | None:
    """What the counter stands at, zeros at birth done with."""
    held.export(now_ns)
    return value(held.export(now_ns))


def test_a_batch_sent_twice_counts_once(held: EvictableShard) -> None:
    """The second copy is acknowledged as a duplicate and adds nothing."""
    message = sealed(Outbox("a"), START, counter(5))
    assert held.push(message, START) == "stored"
    assert held.push(message, START + SECOND) == "duplicate"
    assert total(held, START + MINUTE) == 5


def test_a_duplicate_is_known_after_eviction(held: EvictableShard) -> None:
    """What was counted is stored with the count: by row, and by snapshot."""
    message = sealed(Outbox("a"), START, counter(5))
    held.push(message, START)
    held.evict()
    assert held.push(message, START) == "duplicate"
    held.shard.compact()
    held.evict()
    assert held.push(message, START) == "duplicate"
    assert total(held, START + MINUTE) == 5


def test_batches_may_come_in_any_order(held: EvictableShard) -> None:
    """Every number within the window counts once, whichever comes first."""
    outbox = Outbox("a")
    messages = [sealed(outbox, START, counter(10**n)) for n in range(10)]
    for n in (9, 0, 5, 5, 1, 8, 9, 2, 3, 4, 7, 6, 0):
        held.push(messages[n], START)
    assert total(held, START + MINUTE) == 1_111_111_111


def test_two_isolates_may_use_the_same_numbers(held: EvictableShard) -> None:
    """Sequence numbers belong to their isolate."""
    held.push(sealed(Outbox("a"), START, counter(1)), START)
    held.push(sealed(Outbox("b"), START, counter(2)), START)
    assert total(held, START + MINUTE) == 3


def test_a_batch_far_behind_the_window_is_taken_for_a_duplicate(held: EvictableShard) -> None:
    """65 numbers behind the newest nothing is counted any more: an outbox never has so many outstanding."""
    outbox = Outbox("a")
    first = sealed(outbox, START, counter(1))
    messages = [sealed(outbox, START, counter(1)) for _ in range(64)]
    assert held.push(messages[-1], START) == "stored"
    assert held.push(first, START) == "duplicate"


@given(st.lists(st.integers(1, 400), max_size=120))
def test_the_window_knows_each_number_it_may_be_asked_about(numbers: list[int]) -> None:
    """Against a set of all that was counted: exact within 64 of the newest, settled below."""
    seen, counted = SeenBatches(ShardSettings()), set[int]()
    for number in numbers:
        settled_below = max(counted, default=0) - WINDOW
        assert seen.has("a", number) == (number in counted or number <= settled_below)
        if not seen.has("a", number):
            seen.note("a", number, START, START)
            counted.add(number)


def test_a_duplicate_after_its_isolate_was_forgotten_is_refused(held: EvictableShard) -> None:
    """Forgetting never leads to counting twice: what was sealed before the forgetting is too late."""
    outbox = Outbox("a")
    late = sealed(outbox, START, counter(5))
    held.push(late, START)
    now_ns = START + Settings().isolate_idle_ns + MINUTE
    held.push(sealed(Outbox("b"), now_ns, counter(1)), now_ns)
    assert held.shard.isolates == 1
    assert held.shard.push(late, now_ns)["reason"].startswith("too_late")
    assert held.shard.counts["batches_refused_too_late"] == 1
    assert total(held, now_ns) == 6


def test_an_isolate_that_wakes_after_it_was_forgotten_is_counted_again(held: EvictableShard) -> None:
    """Forgetting is for old batches only: new ones of the same isolate count, old copies still do not."""
    outbox = Outbox("a")
    old = sealed(outbox, START, counter(5))
    held.push(old, START)
    now_ns = START + 2 * HOUR
    held.push(sealed(Outbox("b"), now_ns, counter(1)), now_ns)
    outbox.settle(1, {"status": "stored"})
    assert held.push(sealed(outbox, now_ns, counter(2)), now_ns) == "stored"
    assert held.push(old, now_ns) == "refused"
    assert total(held, now_ns) == 8


def test_memory_of_isolates_is_bounded() -> None:
    """Beyond the limit the one silent for longest is forgotten, and its old batches are refused."""
    held = EvictableShard(ShardSettings(max_isolates=3))
    messages = [sealed(Outbox(str(n)), START + n * SECOND, counter(1)) for n in range(10)]
    for n, message in enumerate(messages):
        assert held.push(message, START + n * SECOND) == "stored"
    assert held.shard.isolates == 3
    assert [held.push(message, START + MINUTE) for message in messages] == ["refused"] * 7 + ["duplicate"] * 3
    assert total(held, START + MINUTE) == 10
    held.close()


@pytest.mark.parametrize("ahead_ns", [6 * MINUTE, 24 * HOUR])
def test_a_batch_from_the_future_is_refused_until_then(held: EvictableShard, ahead_ns: int) -> None:
    """A clock far ahead would defeat the age rule; the isolate may try again when time has caught up."""
    message = sealed(Outbox("a"), START + ahead_ns, counter(5))
    answer = held.shard.push(message, START)
    assert answer["status"] == "refused"
    assert answer["retry"]
    assert held.push(message, START + ahead_ns) == "stored"


def test_a_batch_that_could_not_be_stored_is_not_counted(held: EvictableShard) -> None:
    """Storing comes first: if it fails, push raises, and the retry counts once."""
    message = sealed(Outbox("a"), START, counter(5))
    held.execute("ALTER TABLE shard_rows RENAME TO elsewhere")
    with pytest.raises(Exception, match="no such table"):
        held.shard.push(message, START)
    held.execute("ALTER TABLE elsewhere RENAME TO shard_rows")
    assert held.push(message, START) == "stored"
    assert total(held, START + MINUTE) == 5
