from __future__ import annotations

from decimal import Decimal

import pytest

from slo.durations import DAY, HOUR, MINUTE, held, promql, shorthand_seconds
from slo.model import CatalogEvents
from slo.promql import UnreadableQuery, increases_of_query, series_of
from slo.windows import FALSE_ALARM, minimum_bad_events, reachable, tiers
from tests.slo.examples import outcomes, promise


def table(period: float) -> list[tuple[float, str, str, str]]:
    return [(t.factor, t.long_label, t.short_label, t.severity) for t in tiers(period, MINUTE)]


def test_thirty_days_have_the_workbooks_tiers() -> None:
    assert table(30 * DAY) == [
        (14.4, "1h", "5m", "page"),
        (6.0, "6h", "30m", "page"),
        (3.0, "1d", "2h", "ticket"),
        (1.0, "3d", "6h", "ticket"),
    ]


def test_other_periods_have_the_same_factors_over_windows_that_scale() -> None:
    assert table(28 * DAY) == [
        (14.4, "56m", "5m", "page"),
        (6.0, "5h36m", "28m", "page"),
        (3.0, "22h24m", "1h52m", "ticket"),
        (1.0, "2d19h12m", "5h36m", "ticket"),
    ]
    assert table(7 * DAY) == [
        (14.4, "14m", "1m", "page"),
        (6.0, "1h24m", "7m", "page"),
        (3.0, "5h36m", "28m", "ticket"),
        (1.0, "16h48m", "1h24m", "ticket"),
    ]


@pytest.mark.parametrize("days", [30, 28, 7])
def test_a_tier_spends_the_same_share_of_any_periods_budget(days: int) -> None:
    shares = [tier.factor * tier.long / (days * DAY) for tier in tiers(days * DAY, MINUTE)]
    assert shares == pytest.approx([0.02, 0.05, 0.1, 0.1])


def test_a_tier_that_not_even_an_outage_reaches_is_left_out() -> None:
    found = reachable(tiers(30 * DAY, MINUTE), 0.1)
    assert [tier.factor for tier in found] == [6.0, 3.0, 1.0]


@pytest.mark.parametrize(("budget", "count"), [(0.0001, 5), (0.001, 5), (0.01, 5), (0.05, 4), (0.1, 6)])
def test_the_objective_says_how_many_failures_are_evidence(budget: float, count: int) -> None:
    assert minimum_bad_events(budget, tiers(30 * DAY, MINUTE)) == count


@pytest.mark.parametrize("budget", [0.001, 0.01, 0.05, 0.1])
def test_one_failure_fewer_would_be_chance_too_often(budget: float) -> None:
    """By adding up the binomial distribution, term by term."""
    from math import comb

    fastest = max(tier.factor for tier in reachable(tiers(30 * DAY, MINUTE), budget))

    def chance(count: int) -> float:
        trials = max(count, int(count / (fastest * budget)))
        below = sum(comb(trials, k) * budget**k * (1 - budget) ** (trials - k) for k in range(count))
        return 1 - below

    count = minimum_bad_events(budget, tiers(30 * DAY, MINUTE))
    assert chance(count) <= FALSE_ALARM < chance(count - 1)


def test_a_budget_is_exact() -> None:
    assert str(promise(target=Decimal("0.999")).budget) == "0.001"
    assert promise(target=Decimal("0.9995")).percent == "99.95%"


@pytest.mark.parametrize(
    ("seconds", "text"), [(3600, "1h"), (5400, "1h30m"), (0.5, "500ms"), (90061.001, "1d1h1m1s1ms")]
)
def test_durations_are_promqls(seconds: float, text: str) -> None:
    assert promql(seconds) == text


def test_a_range_is_a_millisecond_short_so_that_both_kinds_of_prometheus_hold_the_same_samples() -> None:
    assert held(HOUR) == "59m59s999ms"


@pytest.mark.parametrize("text", ["1M", "30", "0d", "1.5h", "d", ""])
def test_durations_of_no_fixed_length_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        shorthand_seconds(text)


def test_a_filter_becomes_a_selector() -> None:
    (selection,) = outcomes("error", "truncated", negated=True).selections
    assert series_of(selection, {"job": 'a"b'}) == (
        'lumigate_request_outcomes_total{lumigate_outcome!~"error|truncated",job="a\\"b"}'
    )
    assert isinstance(outcomes(), CatalogEvents)


def test_a_raw_query_counts_exactly_where_it_took_a_rate() -> None:
    found = increases_of_query(
        'sum(rate(a_total{x=~"{}|]", y="1"}[{{ .window }}])) - sum(increase(b[{{.window}}]))',
        step=60,
        settle=8,
    )
    assert "rate(" not in found
    series = 'a_total{x=~"{}|]", y="1"}'
    step, before = f"{series}[1m] offset 8s", f"last_over_time({series}[1h] offset 1m8s)"
    assert f"last_over_time({step}) - ({before} or min_over_time({step})) >= 0" in found
    assert ">= 0) or last_over_time(b[1m] offset 8s))" in found


def test_deltas_are_given_as_long_to_settle() -> None:
    """One that is stored after its step would be in no step, as with totals."""
    found = increases_of_query("sum(rate(b[{{.window}}]))", step=60, settle=8, temporality="delta")
    assert found == "sum((sum_over_time(b[1m] offset 8s)))"


@pytest.mark.parametrize("query", ["avg_over_time(a[{{.window}}])", "rate((a + b)[{{.window}}:])"])
def test_a_raw_query_that_cannot_be_counted_is_refused(query: str) -> None:
    with pytest.raises(UnreadableQuery):
        increases_of_query(query, step=60)
