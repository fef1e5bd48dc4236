"""For any traffic, the recorded ratio of any window is the true one: events counted in that window, bad over all.

Each example plays dozens of random histories (bursts, idle hours, resets, gaps in scraping) to real rule evaluation,
and every ratio must be equal to the last bit.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from slo import records
from slo.durations import HOUR, promql
from slo.model import Promise
from slo.rules import Group, Record
from slo.timeline import STALE, Sample, notation
from slo.windows import tiers
from tests.slo.examples import group, raw_promise
from tests.slo.promtool import evaluate, expect, promtool

STEPS = 120
PERIOD = 1.5 * HOUR
SERIES_EACH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened in each step, and the samples that were scraped of it."""

    bad: list[int]
    good: list[int]
    samples: dict[str, list[Sample]]


def history(source: random.Random) -> History:
    """Step 0 is when the series are first seen. A gap is shorter than what is bridged; a reset loses nothing itself."""
    volume = source.choice([1, 3, 100, 10_000])
    error = source.choice([0.0, 0.001, 0.05, 0.5, 1.0])
    bad, good = [0], [0]
    while len(bad) <= STEPS:
        quiet = source.random() < 0.3
        for _ in range(source.randint(1, 40)):
            total = 0 if quiet else source.randint(0, 2 * volume)
            failed = (
                sum(source.random() < error for _ in range(total)) if total < 50 else round(total * error)
            )
            bad.append(failed)
            good.append(total - failed)
    bad, good = bad[: STEPS + 1], good[: STEPS + 1]
    resets = set(source.sample(range(1, STEPS), source.randint(0, 3)))
    gap = range(0)
    if source.random() < 0.5:
        start = source.randint(1, STEPS - 30)
        gap = range(start, start + source.randint(1, 20))
        resets -= set(range(gap.start, gap.stop + 1))
    return History(
        bad=bad, good=good, samples={"bad": _scraped(bad, resets, gap), "good": _scraped(good, resets, gap)}
    )


def _scraped(rates: list[int], resets: set[int], gap: range) -> list[Sample]:
    total = 0
    found: list[Sample] = []
    for at, rate in enumerate(rates):
        # a counter that is higher after a reset than before it cannot be told from one that went on
        total = rate if at in resets and rate < total else total + rate
        if at not in gap:
            found.append(total)
        else:
            found.append(STALE if at == gap.start else None)
    return found


def true_ratio(one: History, window_steps: int, seen: range) -> float:
    """Bad over all events of the window's steps; what happened in a gap is counted when it is over."""
    steps = range(max(1, STEPS + 1 - window_steps), STEPS + 1)
    bad = sum(_shifted(one.bad, seen)[at] for at in steps)
    total = bad + sum(_shifted(one.good, seen)[at] for at in steps)
    return bad / total if total else 0.0


def _shifted(rates: list[int], gap: range) -> list[int]:
    found = list(rates)
    for at in gap:
        found[gap.stop] += rates[at]
        found[at] = 0
    return found


def gap_of(one: History) -> range:
    """The steps that were not scraped."""
    missing = [at for at, sample in enumerate(one.samples["bad"]) if sample in (None, STALE)]
    return range(missing[0], missing[-1] + 1) if missing else range(0)


def _ratios_of(promise: Promise) -> Group:
    """The rules that the ratios depend on, and no others: the rest only takes time here."""
    whole = group(promise)
    needed = {records.BAD, records.TOTAL, records.PERIOD_BAD, records.PERIOD_TOTAL, records.ERROR_RATIO}
    return replace(whole, rules=tuple(r for r in whole.rules if isinstance(r, Record) and r.record in needed))


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=strategies.integers(min_value=0, max_value=2**32 - 1))
def test_every_windows_ratio_is_the_true_one(tmp_path: Path, seed: int) -> None:
    promtool()
    source = random.Random(seed)
    promises = [raw_promise(f"n{n}", period=PERIOD, target=Decimal("0.99")) for n in range(SERIES_EACH)]
    histories = [history(source) for _ in promises]
    series, expectations = {}, []
    windows = {w for tier in tiers(PERIOD, 60.0) for w in (tier.long, tier.short)} | {PERIOD}
    for promise, one in zip(promises, histories, strict=True):
        for result, samples in one.samples.items():
            series[f'events_total{{of="{promise.name}",result="{result}"}}'] = notation(samples)
        for window in windows:
            expr = f'sum(slo:error:ratio{{slo="{promise.name}",window="{promql(window)}"}})'
            value = true_ratio(one, round(window / 60), gap_of(one))
            # the last step is told one step later, when it has settled
            expectations.append(expect(expr, f"{STEPS + 1}m", value))
    evaluate(tmp_path, [_ratios_of(promise) for promise in promises], series, expectations)


def test_the_oracle_is_not_the_rules(tmp_path: Path) -> None:
    """A wrong expectation is noticed: the comparison can fail."""
    one = raw_promise("n", period=PERIOD)
    series = {'events_total{of="n",result="bad"}': "0+1x10", 'events_total{of="n",result="good"}': "0+3x10"}
    expr = f'sum(slo:error:ratio{{window="{promql(PERIOD)}"}})'
    evaluate(tmp_path, [group(one)], series, [expect(expr, "10m", 0.25)])
    with pytest.raises(AssertionError, match="FAILED"):
        evaluate(tmp_path, [group(one)], series, [expect(expr, "10m", 0.2500000001)])
