import pytest

from lumigate.shard import Outbox, Reader, ShardSettings
from lumigate.telemetry.records import HistogramPoint, NumberPoint
from tests.shard.deltas import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    EvictableShard,
    counter,
    gauge,
    histogram,
    points,
    sealed,
    value,
)

HOLD = ShardSettings().scrape_hold_ns
IDLE = ShardSettings().idle_ns


def test_an_exporter_sees_zero_and_then_the_value(held: EvictableShard) -> None:
    """The first acknowledged export of a series is at zero, with the start time that all later ones have."""
    held.push(sealed(Outbox("a"), START, counter(5), histogram([0.2])), START)
    first, second = (points(held.export(START + n * MINUTE)) for n in (1, 2))
    for key, zero in first.items():
        assert zero.start_ns == second[key].start_ns == START
        assert (zero.value if isinstance(zero, NumberPoint) else zero.count) == 0
    histograms = [p for p in (*first.values(), *second.values()) if isinstance(p, HistogramPoint)]
    assert [(p.sum, list(p.bucket_counts)) for p in histograms] == [(0.0, [0, 0, 0, 0]), (0.2, [0, 1, 0, 0])]
    assert value(held.export(START + 3 * MINUTE)) == 5


def test_an_export_that_failed_does_not_count_as_shown(held: EvictableShard) -> None:
    """Zero is exported until one export that held it was acknowledged."""
    held.push(sealed(Outbox("a"), START, counter(5)), START)
    assert value(held.export(START + MINUTE, acknowledged=False)) == 0
    assert value(held.export(START + 2 * MINUTE)) == 0
    assert value(held.export(START + 3 * MINUTE, acknowledged=False)) == 5
    assert value(held.export(START + 4 * MINUTE)) == 5


def test_a_birth_during_an_export_is_shown_at_zero_by_the_next(held: EvictableShard) -> None:
    """The acknowledgement covers what was in the export, not what came while it was under way."""
    held.push(sealed(Outbox("a"), START, counter(1, code=200)), START)
    under_way = held.shard.collect(Reader.PUSH, START + MINUTE)
    held.push(sealed(Outbox("b"), START + MINUTE, counter(7, code=500)), START + MINUTE)
    held.shard.shown(under_way)
    after = held.export(START + 2 * MINUTE)
    assert (value(after, code=200), value(after, code=500)) == (1, 0)
    assert value(held.export(START + 3 * MINUTE), code=500) == 7


def test_scrapes_see_zero_for_the_hold(held: EvictableShard) -> None:
    """Every scraper whose interval is shorter than the hold sees the series at zero before it counts."""
    held.push(sealed(Outbox("a"), START, counter(5)), START)
    begun = START + 10 * SECOND
    for after in (0, 15 * SECOND, 30 * SECOND, HOLD - 1):
        assert value(held.scrape(begun + after)) == 0
    assert value(held.scrape(begun + HOLD)) == 5


def test_the_hold_begins_with_the_first_scrape(held: EvictableShard) -> None:
    """However long nobody scraped, the first who does sees zero."""
    held.push(sealed(Outbox("a"), START, counter(5)), START)
    assert value(held.scrape(START + HOUR)) == 0


def test_readers_do_not_see_zero_for_each_other(held: EvictableShard) -> None:
    """What the exporter was shown means nothing to a scraper, and the other way round."""
    held.push(sealed(Outbox("a"), START, counter(5)), START)
    held.export(START + MINUTE)
    assert value(held.export(START + 2 * MINUTE)) == 5
    assert value(held.scrape(START + 2 * MINUTE)) == 0
    assert value(held.scrape(START + 2 * MINUTE + HOLD)) == 5


@pytest.mark.parametrize("compacted", [False, True])
def test_eviction_between_zero_and_value_changes_nothing(held: EvictableShard, compacted: bool) -> None:
    """What was shown is stored before it is shown: no second zero after a value, no value before a zero."""
    held.push(sealed(Outbox("a"), START, counter(5)), START)
    seen = []
    for step in range(6):
        now_ns = START + step * HOLD // 2
        seen.append((value(held.scrape(now_ns)), value(held.export(now_ns))))
        if compacted:
            held.shard.compact()
        held.evict()
    assert seen == [(0, 0), (0, 5), (5, 5), (5, 5), (5, 5), (5, 5)]


def test_a_value_once_shown_is_not_taken_back_when_the_clock_is(held: EvictableShard) -> None:
    """Another machine's clock may lag: the shard's time does not go back."""
    held.push(sealed(Outbox("a"), START, counter(5)), START)
    held.scrape(START)
    assert value(held.scrape(START + HOLD)) == 5
    held.evict()
    assert value(held.scrape(START + HOLD - SECOND)) == 5


def test_gauges_and_levels_are_shown_as_they_are(held: EvictableShard) -> None:
    """Zero would be a lie about a level, and nobody asks for its increase."""
    level = counter(3, "level", monotonic=False)
    held.push(sealed(Outbox("a"), START, level, gauge(0.5, START, "share")), START)
    scraped = held.scrape(START)
    assert value(scraped, "level") == 3
    assert value(scraped, "share") == 0.5


def test_an_idle_series_goes_and_is_born_again(held: EvictableShard) -> None:
    """After its time it is absent; when counted again it has a new start and begins at zero, for each reader."""
    outbox = Outbox("a")
    held.push(sealed(outbox, START, counter(5)), START)
    held.export(START)
    assert value(held.export(START + IDLE)) == 5
    assert value(held.export(START + IDLE + SECOND)) is None
    again = START + IDLE + MINUTE
    held.push(sealed(outbox, again, counter(2)), again)
    assert value(held.export(again)) == 0
    ((_, point),) = points(held.export(again + MINUTE)).items()
    assert isinstance(point, NumberPoint)
    assert (point.value, point.start_ns) == (2, again)


def test_a_series_reborn_unseen_does_not_carry_its_old_total(held: EvictableShard) -> None:
    """Expiry is by the clock, whether or not anybody looked in between."""
    outbox = Outbox("a")
    held.push(sealed(outbox, START, counter(5)), START)
    again = START + IDLE + SECOND
    held.push(sealed(outbox, again, counter(2)), again)
    held.export(again)
    assert value(held.export(again)) == 2


def test_a_series_expires_though_its_metric_lives(held: EvictableShard) -> None:
    """Also when it is counted again before anybody swept, and the same after a restore from rows that never swept."""
    outbox = Outbox("a")
    held.push(sealed(outbox, START, counter(5, code=200), counter(5, code=500)), START)
    again = START + IDLE + SECOND
    for now_ns in (START + IDLE // 2, again - MINUTE):
        held.push(sealed(outbox, now_ns, counter(1, code=200)), now_ns)
    held.push(sealed(outbox, again, counter(2, code=500)), again)
    for _ in range(2):
        held.export(again)
        after = held.export(again)
        assert (value(after, code=200), value(after, code=500)) == (7, 2)
        held.evict()


def test_what_expired_for_a_reader_stays_expired_though_the_clock_lags(held: EvictableShard) -> None:
    """A collection moves the shard's time on for the batches that follow, so that a restore agrees with memory."""
    outbox = Outbox("a")
    held.push(sealed(outbox, START, counter(5)), START)
    for _ in range(3):
        held.export(START)
    assert value(held.export(START + IDLE + SECOND)) is None
    held.push(sealed(outbox, START + IDLE, counter(2)), START + IDLE)
    held.export(START + IDLE)
    in_memory = points(held.export(START + IDLE))
    held.evict()
    assert points(held.export(START + IDLE)) == in_memory


def test_what_a_reader_was_shown_takes_no_more_room_with_time(held: EvictableShard) -> None:
    """Marks that are past their hold become one number."""
    outbox = Outbox("a")
    for n in range(50):
        now_ns = START + n * HOLD // 2
        held.push(sealed(outbox, now_ns, counter(1, n=n)), now_ns)
        outbox.settle(n + 1, {"status": "stored"})
        held.scrape(now_ns)
    revealed, shown = held.shard._state.readers[Reader.SCRAPE].dump()
    assert revealed == 48
    assert len(shown) == 2


def test_a_level_that_is_held_does_not_expire(held: EvictableShard) -> None:
    """Somebody holds it; once it is back at zero it may go."""
    outbox = Outbox("a")
    held.push(sealed(outbox, START, counter(3, monotonic=False)), START)
    later = START + 3 * IDLE
    assert value(held.export(later)) == 3
    held.push(sealed(outbox, later, counter(-3, monotonic=False)), later)
    assert value(held.export(later + IDLE + SECOND)) is None


def test_an_old_gauge_goes_sooner(held: EvictableShard) -> None:
    """A level nobody confirms is misinformation."""
    held.push(sealed(Outbox("a"), START, gauge(1, START)), START)
    assert value(held.export(START + 15 * MINUTE), "level") == 1
    assert value(held.export(START + 16 * MINUTE), "level") is None
