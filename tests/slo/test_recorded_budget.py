"""What is recorded of a budget, in numbers worked out by hand: what is spent, what is left and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slo.durations import DAY
from slo.model import Counted, RawEvents
from tests.slo.examples import BEATS, SERIES, group, promise
from tests.slo.promtool import evaluate, expect

OK, ERROR = f'{SERIES}{{lumigate_outcome="complete"}}', f'{SERIES}{{lumigate_outcome="error"}}'


CONTRADICTING = 'count(ALERTS{alertname="LumigateExampleCountsContradict",alertstate="firing"}) or vector(0)'


def near(expr: str, value: float, at: str) -> dict[str, Any]:
    return expect(f"abs(sum({expr}) - {value:.15g}) <= bool {max(1e-9, abs(value) * 1e-9):.15g}", at, 1)


def test_a_budget_is_spent_by_the_period_and_lasts_by_the_last_hour(tmp_path: Path) -> None:
    """Two good hours, and one in which a thousandth fails: a third is spent; the rest lasts two thirds of 30 days."""
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+10000x120 1209990+9990x59", ERROR: "0x120 10+10x59"},
        [
            near("slo:period_bad:events", 600, "181m"),
            near("slo:period_total:events", 1_800_000, "181m"),
            near('slo:error:ratio{window="6h"}', 1 / 3000, "181m"),
            near('slo:burn:rate{window="1h"}', 1, "181m"),
            near('slo:burn:rate{window="30d"}', 1 / 3, "181m"),
            near("slo:attainment:ratio", 1 - 1 / 3000, "181m"),
            near("slo:budget_spent:ratio", 1 / 3, "181m"),
            near("slo:budget_remaining:ratio", 2 / 3, "181m"),
            near("slo:time_to_exhaustion:seconds", 20 * DAY, "181m"),
        ],
    )


def test_a_budget_that_is_overspent_lasts_no_time_and_not_less(tmp_path: Path) -> None:
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+998x60", ERROR: "0+2x60"},
        [
            near("slo:budget_spent:ratio", 2, "61m"),
            near("slo:budget_remaining:ratio", -1, "61m"),
            near("slo:time_to_exhaustion:seconds", 0, "61m"),
        ],
    )


def test_while_nothing_burns_nothing_is_said_of_the_end(tmp_path: Path) -> None:
    evaluate(
        tmp_path,
        [group(promise())],
        {OK: "0+998x60", ERROR: "0x60"},
        [expect("slo:time_to_exhaustion:seconds", "61m", None)],
    )


def test_a_series_that_contradicts_its_total_is_an_error_ratio_of_one_at_most(tmp_path: Path) -> None:
    more = Counted(
        numerator="bad",
        part=RawEvents(query="sum(rate(twice[{{.window}}]))"),
        total=RawEvents(query="sum(rate(once[{{.window}}]))"),
    )
    evaluate(
        tmp_path,
        [group(promise(indicator=more))],
        {"twice": "0+20x60", "once": "0+10x60"},
        [
            near('slo:error:ratio{window="1h"}', 1, "61m"),
            near("slo:attainment:ratio", 0, "61m"),
            expect(CONTRADICTING, "61m", 1),
        ],
    )


def test_counts_that_agree_are_no_contradiction(tmp_path: Path) -> None:
    all_bad = Counted(
        numerator="bad",
        part=RawEvents(query="sum(rate(some[{{.window}}]))"),
        total=RawEvents(query="sum(rate(once[{{.window}}]))"),
    )
    evaluate(
        tmp_path,
        [group(promise(indicator=all_bad))],
        {"some": "0+9x30 270+10x30", "once": "0+10x60"},
        [expect(CONTRADICTING, "30m", 0), expect(CONTRADICTING, "61m", 0)],
    )


@pytest.mark.parametrize(("days", "share"), [(30, 1), (7, 30 / 7)])
def test_what_was_seen_is_a_share_of_the_period_and_of_what_could_be(
    tmp_path: Path, days: int, share: float
) -> None:
    """The heart beats from the tenth minute on; from the eleventh on it has been seen to beat."""
    evaluate(
        tmp_path,
        [group(promise(period=days * DAY))],
        {BEATS: "_x10 0+1x110"},
        [
            near("slo:first_observed:timestamp", 11 * 60, "120m"),
            near("slo:coverage:ratio", share * 110 / 43_200, "120m"),
            near("slo:coverage_expected:ratio", share * 110 / 43_200, "120m"),
        ],
    )


def test_a_gap_is_missing_from_what_was_seen_and_not_from_what_could_be(tmp_path: Path) -> None:
    """Thirty minutes without a beat, of which the first four were still covered by those before."""
    evaluate(
        tmp_path,
        [group(promise())],
        {BEATS: "0+1x60 _x30 61+1x60"},
        [
            near("slo:first_observed:timestamp", 60, "150m"),
            near("slo:coverage_expected:ratio", 150 / 43_200, "150m"),
            expect("sum(slo:coverage:ratio) * 43200 > bool 118", "150m", 1),
            expect("sum(slo:coverage:ratio) * 43200 < bool 127", "150m", 1),
        ],
    )


def test_a_query_that_finds_nothing_is_not_observed_for_long(tmp_path: Path) -> None:
    """Where a promise is about queries, its own series are what is seen or not; ten minutes after them, nothing is."""
    own = Counted(
        numerator="bad",
        part=RawEvents(query='sum(rate(hits{of="bad"}[{{.window}}]))'),
        total=RawEvents(query="sum(rate(hits[{{.window}}]))"),
    )
    evaluate(
        tmp_path,
        [group(promise(indicator=own))],
        {'hits{of="good"}': "0+1x20 stale"},
        [expect("sum(slo:observed:bool)", "20m", 1), expect("sum(slo:observed:bool)", "30m", 0)],
    )
