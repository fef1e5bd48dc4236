"""The queue: bounded, fair to what matters, and nothing leaves it uncounted."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lumigate.telemetry import BufferConfig
from lumigate.telemetry.buffer import Batch, Entry, Queue
from lumigate.telemetry.counts import Counts


def make_queue(
    *, items: int = 10, size: int = 1000, batch: int = 5, newest_only: bool = False
) -> tuple[Queue, Counts]:
    counts = Counts()
    config = BufferConfig(max_items=items, max_bytes=size, batch_items=batch)
    return Queue("traces", config, counts, newest_only=newest_only), counts


def entry(*names: str, size: int = 10, important: bool = False) -> Entry:
    return Entry(list(names), len(names), size, important=important)


def test_a_full_queue_gives_up_the_oldest_ordinary_entry_first() -> None:
    queue, counts = make_queue(items=3, batch=10)
    queue.put([entry("a"), entry("error", important=True), entry("b")])
    queue.put([entry("c")])
    queue.put([entry("error 2", important=True)])
    batch = queue.take(0, 1, exclusive=True)
    assert batch is not None
    assert batch.records() == ["error", "error 2", "c"]
    assert counts.dropped == {("traces", "queue_full"): 2}


def test_errors_are_not_given_up_for_ordinary_entries() -> None:
    queue, counts = make_queue(items=2)
    queue.put([entry("e1", important=True), entry("e2", important=True)])
    queue.put([entry("ordinary")])
    assert queue.items == 2
    queue.put([entry("e3", important=True)])
    batch = queue.take(0, 1, exclusive=True)
    assert batch is not None
    assert batch.records() == ["e2", "e3"]
    assert counts.dropped["traces", "queue_full"] == 2


def test_the_bound_in_bytes_holds_and_what_never_fits_is_refused() -> None:
    queue, counts = make_queue(items=100, size=100)
    queue.put([entry("a", size=60), entry("b", size=60), entry("huge", size=101)])
    assert (queue.items, queue.bytes) == (0, 0) or queue.bytes <= 100
    assert counts.dropped["traces", "queue_full"] >= 2


def test_what_never_fits_drives_nobody_out() -> None:
    """One trace with whole documents in it must not cost all the others."""
    for huge in (entry("huge", size=101, important=True), entry(*"abcdefghijk", important=True)):
        queue, counts = make_queue(items=10, size=100)
        queue.put([entry("a"), entry("error", important=True), entry("b"), huge])
        assert queue.items == 3
        assert counts.dropped == {("traces", "queue_full"): huge.items}


def test_what_is_in_flight_counts_towards_the_bound() -> None:
    """A destination that hangs must not double the memory."""
    queue, _ = make_queue(items=4, batch=4)
    queue.put([entry("a"), entry("b"), entry("c"), entry("d")])
    assert queue.take(0, 100, exclusive=True) is not None
    queue.put([entry("e")])
    assert (queue.items, queue.waiting_items) == (4, 0)


def test_a_batch_is_cut_to_its_size_through_a_large_trace() -> None:
    queue, _ = make_queue(items=20, batch=3)
    queue.put([entry("a", "b", "c", "d", "e", size=50)])
    taken = []
    while (batch := queue.take(0, 1, exclusive=True)) is not None:
        taken.append(batch.records())
        queue.delivered(batch)
    assert taken == [["a", "b", "c"], ["d", "e"]]
    assert (queue.items, queue.bytes) == (0, 0)


def test_a_batch_whose_owner_died_goes_back_to_the_front() -> None:
    queue, counts = make_queue()
    queue.put([entry("a"), entry("b")])
    lost = queue.take(0, 100, exclusive=True)
    assert lost is not None
    queue.put([entry("c")])
    assert queue.take(99, 100, exclusive=True) is None
    again = queue.take(100, 100, exclusive=True)
    assert again is not None
    assert again.records() == ["a", "b", "c"]
    assert counts.reclaimed == 1


def test_an_owner_taken_for_dead_that_succeeds_after_all_is_believed() -> None:
    """What it delivered is not sent again while it still waits."""
    queue, _ = make_queue()
    queue.put([entry("a")])
    slow = queue.take(0, 100, exclusive=True)
    assert slow is not None
    queue.reclaim(100)
    queue.delivered(slow)
    assert queue.take(200, 100, exclusive=True) is None
    assert (queue.items, queue.bytes) == (0, 0)


def test_too_large_a_batch_is_halved_down_to_single_records() -> None:
    queue, counts = make_queue(items=20, batch=8)
    queue.put([entry(*"abcdefgh")])
    sizes = []
    while (batch := queue.take(0, 1, exclusive=True)) is not None:
        sizes.append(batch.items)
        if "c" in batch.records():
            queue.too_large(batch, "too_large")
        else:
            queue.delivered(batch)
    assert sizes[:3] == [8, 4, 2]
    assert counts.dropped == {("traces", "too_large"): 1}
    assert (queue.items, queue.bytes) == (0, 0)


def test_a_newer_cumulative_collection_replaces_the_older() -> None:
    """It holds all that they said, so nothing is dropped."""
    queue, counts = make_queue(newest_only=True)

    def of(key: str, name: str) -> Entry:
        return Entry([name], 1, 10, key=key)

    queue.put([of("a", "old a"), of("b", "old b")])
    sending = queue.take(0, 100, exclusive=True)
    assert sending is not None
    queue.put([of("a", "newer a")])
    queue.put([of("a", "newest a")])
    queue.give_back(sending)
    batch = queue.take(0, 100, exclusive=True)
    assert batch is not None
    assert batch.records() == ["old b", "newest a"]
    assert counts.dropped == {}


class QueueMachine(RuleBasedStateMachine):
    """Model: every record is at any time in exactly one place: waiting, in flight, delivered, or counted as dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.counts = make_queue(items=12, size=200, batch=4)
        self.now = 0
        self.put = 0
        self.delivered = 0
        self.owned: list[Batch] = []

    @rule(count=st.integers(1, 6), size=st.integers(1, 60), important=st.booleans())
    def append(self, count: int, size: int, important: bool) -> None:
        self.put += count
        self.queue.put([Entry([object() for _ in range(count)], count, size, important=important)])

    @rule(exclusive=st.booleans())
    def take(self, exclusive: bool) -> None:
        batch = self.queue.take(self.now, 10, exclusive=exclusive)
        if batch is not None:
            assert batch.items == len(batch.records())
            assert batch.items <= 4
            self.owned.append(batch)

    @rule(seconds=st.integers(1, 15))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.queue.reclaim(self.now)

    @precondition(lambda self: self.owned)
    @rule(how=st.sampled_from(["delivered", "give_back", "drop", "too_large", "dies"]))
    def finish(self, how: str) -> None:
        batch = self.owned.pop(0)
        alive = batch in self.queue.in_flight
        if how == "delivered":
            # after a reclaim only the copies still waiting are taken out; they count when they would have been sent
            if alive:
                self.delivered += batch.items
                self.queue.delivered(batch)
        elif how == "give_back":
            self.queue.give_back(batch)
        elif how == "drop":
            self.queue.drop(batch, "rejected")
        elif how == "too_large":
            self.queue.too_large(batch, "too_large")

    @invariant()
    def nothing_is_lost_uncounted(self) -> None:
        assert self.put == self.queue.items + self.delivered + sum(self.counts.dropped.values())

    @invariant()
    def the_bounds_hold(self) -> None:
        assert 0 <= self.queue.items <= 12
        assert 0 <= self.queue.bytes <= 200
        assert self.queue.waiting_items >= 0


TestQueueMachine = QueueMachine.TestCase
