"""Each point in which the generated rules are better than those people use today, with the usual rule beside ours.

The usual rules are Sloth's: a ratio of rates every five minutes, the period as an average of those ratios, alerts on
ratios alone. Every test shows the usual one going wrong on series on which ours goes right.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from lumigate import catalog
from slo.durations import DAY
from slo.loading import load_promises
from slo.model import CatalogEvents, Counted, Selection
from slo.prometheus import service_group
from slo.yaml_lines import SpecError
from tests.slo.examples import BEATS, SERIES, SPECS, group, outcomes, policy, promise, settings
from tests.slo.promtool import evaluate, expect

OK, ERROR = f'{SERIES}{{lumigate_outcome="complete"}}', f'{SERIES}{{lumigate_outcome="error"}}'
USUAL_RATIO = {
    "record": "usual:error:ratio5m",
    "expr": f'sum(rate({SERIES}{{lumigate_outcome="error"}}[5m])) / sum(rate({SERIES}[5m]))',
}
USUAL_PERIOD = {
    "record": "usual:error:ratio_period",
    "expr": "sum_over_time(usual:error:ratio5m[12h]) / count_over_time(usual:error:ratio5m[12h])",
}
USUAL_PAGE = {
    "alert": "UsualPage",
    "expr": "usual:error:ratio5m > 14.4 * 0.001 and usual:error:ratio1h > 14.4 * 0.001",
}
USUAL_HOUR = {"record": "usual:error:ratio1h", "expr": USUAL_RATIO["expr"].replace("5m", "1h")}
OUR_PAGE = 'count(ALERTS{alertname="LumigateExampleBurn",severity="page",alertstate="firing"}) or vector(0)'
USUAL_FIRING = 'count(ALERTS{alertname="UsualPage",alertstate="firing"}) or vector(0)'
OUR_PERIOD = 'sum(slo:error:ratio{window="30d"})'


def test_the_period_is_weighted_by_volume(tmp_path: Path) -> None:
    """A busy hour, then a night in which one of two requests fails: 1 of 600,002, and not a quarter of everything."""
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+10000x60 600000x60 600001x60", ERROR: "0x120 1x61"},
        [
            expect(OUR_PERIOD, "3h", 1 / 600_002),
            expect(f"avg(usual:error:ratio_period) > bool 300 * {1 / 600_002}", "3h", 1),
        ],
        usual=[{**USUAL_RATIO, "expr": f"({USUAL_RATIO['expr']}) >= 0"}, USUAL_PERIOD],
    )


def test_an_idle_hour_never_turns_the_budget_into_nan(tmp_path: Path) -> None:
    """0/0 is NaN, and an average with one NaN in it is NaN for the whole period."""
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+100x30 3000x60", ERROR: "0x90"},
        [
            expect("sum(slo:budget_remaining:ratio)", "90m", 1),
            expect("sum(usual:error:ratio_period) == bool sum(usual:error:ratio_period)", "90m", 0),
        ],
        usual=[USUAL_RATIO, USUAL_PERIOD],
    )


def test_a_missing_error_series_is_no_errors(tmp_path: Path) -> None:
    """Nothing divided by something is nothing: the usual budget is not there until the first failure."""
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+100x60"},
        [
            expect("sum(slo:budget_remaining:ratio)", "1h", 1),
            expect("usual:error:ratio_period", "1h", None),
        ],
        usual=[USUAL_RATIO, USUAL_PERIOD],
    )


def test_one_failure_at_night_wakes_nobody(tmp_path: Path) -> None:
    """Ten requests, one fails: a burn of 100, and no evidence of anything."""
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0x5 0+1x9 9x20", ERROR: "0x10 1x30"},
        [expect(OUR_PAGE, "14m", 0), expect(USUAL_FIRING, "14m", 1)],
        usual=[USUAL_RATIO, USUAL_HOUR, USUAL_PAGE],
    )


def test_the_first_increment_of_a_new_series_counts(tmp_path: Path) -> None:
    """A counter that appears at 5 has lost five failures to `increase`; the shard shows it at zero first."""
    usual = {"record": "usual:errors", "expr": f'sum(increase({SERIES}{{lumigate_outcome="error"}}[30m]))'}
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+100x30", ERROR: "_x10 0 5x20"},
        [expect("sum(slo:period_bad:events)", "30m", 5)],
    )
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+100x30", ERROR: "_x11 5x20"},
        [expect("sum(usual:errors)", "30m", 0)],
        usual=[usual],
    )


def test_counts_are_whole_and_add_up(tmp_path: Path) -> None:
    """`increase` extrapolates to the ends of its range: where a scrape is late, seven failures become 7.8."""
    usual = {"record": "usual:errors", "expr": f'sum(increase({SERIES}{{lumigate_outcome="error"}}[10m]))'}
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+100x30", ERROR: "0x10 0+1x7 7 _ 7x10"},
        [
            expect('sum(sum_over_time(slo:bad:increase{slo="example"}[10m]))', "20m", 7),
            expect("sum(usual:errors) > bool 7.7", "20m", 1),
        ],
        usual=[usual],
    )


def test_a_burn_that_stops_resets_within_the_short_window(tmp_path: Path) -> None:
    """A one-window alert goes on for the rest of its hour; a full outage pages within three minutes all the same."""
    usual = {"alert": "UsualPage", "expr": "usual:error:ratio1h > 14.4 * 0.001"}
    one = promise(target=Decimal("0.99"))  # at 99 %, twenty minutes of outage end with the short windows
    evaluate(
        tmp_path,
        [group(one)],
        {OK: "0+1000x60 60000x10 60000+1000x50", ERROR: "0x60 0+1000x10 10000x50"},
        [
            expect(OUR_PAGE, "60m", 0),
            expect(OUR_PAGE, "70m", 1),
            expect(OUR_PAGE, "101m", 0),
            expect(USUAL_FIRING, "101m", 1),
        ],
        usual=[USUAL_HOUR, usual],
    )


@pytest.mark.parametrize("days", [30, 28, 7])
def test_a_full_outage_pages_within_three_minutes(tmp_path: Path, days: int) -> None:
    """One sample a minute, and an hour of good traffic before: the usual `for: 5m` alone is longer."""
    usual = [USUAL_RATIO, USUAL_HOUR, {**USUAL_PAGE, "for": "5m"}]
    evaluate(
        tmp_path,
        [group(promise(period=days * DAY))],
        {OK: "0+1000x60 60000x20", ERROR: "0x60 0+1000x20"},
        [expect(OUR_PAGE, "60m", 0), expect(OUR_PAGE, "63m", 1), expect(USUAL_FIRING, "63m", 0)],
        usual=usual,
    )


def test_broken_is_told_from_idle(tmp_path: Path) -> None:
    """A ratio of nothing alerts on nothing; `absent` or «no traffic» would page every idle night."""
    silent = 'count(ALERTS{alertname="LumigateTelemetrySilent",alertstate="firing"}) or vector(0)'
    idle_page = {"alert": "UsualPage", "expr": f"(sum(rate({SERIES}[5m])) or vector(0)) == 0"}
    groups = [group(promise()), service_group(settings(), policy())]
    (tmp_path / "idle").mkdir()
    evaluate(
        tmp_path / "idle",
        groups,
        {OK: "0x60", BEATS: "0+1x60"},
        [expect(silent, "1h", 0), expect(USUAL_FIRING, "1h", 1)],
        usual=[idle_page],
    )
    evaluate(
        tmp_path,
        groups,
        {OK: "0+100x20 stale", BEATS: "0+1x20 stale"},
        [expect(silent, "1h", 1), expect(USUAL_FIRING, "1h", 0)],
        usual=[USUAL_RATIO, USUAL_HOUR, USUAL_PAGE],
    )


def test_coverage_says_how_much_of_the_period_was_seen(tmp_path: Path) -> None:
    """Twenty minutes of sixty-one were dark: the usual ratio says nothing of it."""
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+100x20 _x20 2000+100x20", BEATS: "0+1x20 stale _x19 20+1x20"},
        [
            expect("sum(slo:coverage:ratio) / sum(slo:coverage_expected:ratio) < bool 0.8", "60m", 1),
            expect("sum(slo:period_total:events)", "61m", 3900),
        ],
    )


def test_more_good_than_total_is_an_alert_and_not_a_gift(tmp_path: Path) -> None:
    """The usual remaining budget rises above all of it, and hides what burns later."""
    good = CatalogEvents(selections=(Selection(metric=catalog.CACHE_EVICTIONS),))
    one = promise(indicator=Counted(numerator="good", part=good, total=outcomes()))
    usual = {
        "record": "usual:remaining",
        "expr": f"1 - (1 - sum(rate(lumigate_cache_evictions_total[5m])) / sum(rate({SERIES}[5m]))) / 0.001",
    }
    evaluate(
        tmp_path,
        [group(one)],
        {OK: "0+100x30", "lumigate_cache_evictions_total": "0+150x30"},
        [
            expect("sum(slo:budget_remaining:ratio)", "30m", 1),
            expect(
                'count(ALERTS{alertname="LumigateExampleCountsContradict",alertstate="firing"})', "30m", 1
            ),
            expect("sum(usual:remaining) > bool 100", "30m", 1),
        ],
        usual=[usual],
    )


def test_good_counted_a_moment_before_its_total_is_no_failure_later(tmp_path: Path) -> None:
    """What is ahead in one step and behind in the next cancels out; clamped step by step it would be failures."""
    good = CatalogEvents(selections=(Selection(metric=catalog.CACHE_EVICTIONS),))
    one = promise(indicator=Counted(numerator="good", part=good, total=outcomes()))
    evaluate(
        tmp_path,
        [group(one)],
        {OK: "0+100x10 1000 1200+100x18", "lumigate_cache_evictions_total": "0+100x29"},
        [expect("sum(slo:period_bad:events)", "29m", 0)],
    )


def test_a_sum_of_counters_that_loses_a_part_is_no_reset(tmp_path: Path) -> None:
    """A shard is gone for five scrapes. Recorded as one counter, the sum falls, and comes back as an avalanche."""
    usual = [
        {"record": "usual:errors:total", "expr": f'sum({SERIES}{{lumigate_outcome="error"}})'},
        {"record": "usual:errors", "expr": "increase(usual:errors:total[1h])"},
    ]
    errors = {
        f'{ERROR[:-1]},service_instance_id="shard-{n}"}}': values
        for n, values in enumerate(("1000+1x40", "90000+1x20 stale _x4 90026+1x14"))
    }
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+100000x40", **errors},
        [expect("sum(slo:period_bad:events)", "41m", 80), expect("sum(usual:errors) > bool 90000", "40m", 1)],
        usual=usual,
    )


def test_a_threshold_between_buckets_does_not_build_and_the_nearest_is_named(tmp_path: Path) -> None:
    """`le="0.09"` selects nothing: the usual rule is silent for ever."""
    text = (SPECS / "gateway-overhead-p95.yaml").read_text().replace("value: 0.1", "value: 0.09")
    (tmp_path / "overhead.yaml").write_text(text)
    with pytest.raises(SpecError) as raised:
        load_promises(tmp_path)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "value: 0.09" in each)
    assert raised.value.faults == [
        f"{tmp_path.name}/overhead.yaml:{line}: spec.objectives.0.value: 0.09 is not a bucket boundary of "
        "lumigate.gateway.overhead; the nearest is 0.1 s"
    ]
    usual = {
        "record": "usual:slow",
        "expr": "sum(rate(lumigate_gateway_overhead_seconds_count[5m])) - "
        'sum(rate(lumigate_gateway_overhead_seconds_bucket{le="0.09"}[5m]))',
    }
    evaluate(
        tmp_path,
        [group(promise())],
        {
            'lumigate_gateway_overhead_seconds_bucket{le="0.1"}': "0x30",
            "lumigate_gateway_overhead_seconds_count": "0+100x30",
        },
        [expect("usual:slow", "30m", None)],
        usual=[usual],
    )
