"""Evaluations that a Prometheus missed, since it started anew or was late, are made up for by the next one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slo.model import Counted, Promise
from slo.promql import CAUGHT_UP
from slo.rules import Record
from tests.slo.examples import SERIES, group, outcomes, promise, raw_promise
from tests.slo.promtool import evaluate, expect

IDENTITY = '{service="lumigate",slo="%s"}'
GOOD_PART = promise(indicator=Counted(numerator="good", part=outcomes("complete"), total=outcomes()))


def recording(one: Promise, name: str, **changes: str) -> str:
    (expr,) = [
        rule.expr
        for rule in group(one, **changes).rules
        if isinstance(rule, Record) and rule.record == f"slo:{name}:increase"
    ]
    return expr


@pytest.mark.parametrize("missed", range(CAUGHT_UP + 1))
@pytest.mark.parametrize("name", ["bad", "total"])
def test_what_missed_evaluations_would_have_counted_is_counted_by_the_next(
    tmp_path: Path, name: str, missed: int
) -> None:
    """Seven events a minute, three of them bad; up to the twentieth minute everything was recorded."""
    each = {"bad": 3, "total": 7}[name]
    for one, series in (
        (
            promise(),
            {
                f'{SERIES}{{lumigate_outcome="{o}"}}': v
                for o, v in (("error", "0+3x40"), ("complete", "0+4x40"))
            },
        ),
        (
            raw_promise("n"),
            {f'events_total{{of="n",result="{r}"}}': v for r, v in (("bad", "0+3x40"), ("good", "0+4x40"))},
        ),
    ):
        recorded = {f"slo:{name}:increase{IDENTITY % one.name}": "0x20"}
        (tmp_path / one.name).mkdir()
        evaluate(
            tmp_path / one.name,
            [],
            {**series, **recorded},
            [expect(f"sum({recording(one, name)})", f"{21 + missed}m", each * (1 + missed))],
        )


def test_a_longer_stop_counts_its_last_step_alone_and_never_one_twice(tmp_path: Path) -> None:
    series = {
        f'{SERIES}{{lumigate_outcome="error"}}': "0+3x60",
        f"slo:total:increase{IDENTITY % 'example'}": "0x20",
    }
    at = [(23 + CAUGHT_UP, 3), (40, 3)]
    total = f"sum({recording(promise(), 'total')})"
    evaluate(tmp_path, [], series, [expect(total, f"{minute}m", value) for minute, value in at])


def test_rules_that_have_recorded_nothing_yet_begin_with_one_step(tmp_path: Path) -> None:
    series = {f'{SERIES}{{lumigate_outcome="error"}}': "100+3x60"}
    evaluate(tmp_path, [], series, [expect(f"sum({recording(promise(), 'total')})", "30m", 3)])


def test_good_events_are_caught_up_with_as_their_total_is(tmp_path: Path) -> None:
    """The total of this evaluation is in its bad: of 14 events in two steps, 8 were good."""
    series = {
        f'{SERIES}{{lumigate_outcome="{o}"}}': v for o, v in (("error", "0+3x40"), ("complete", "0+4x40"))
    }
    series |= {
        f"slo:bad:increase{IDENTITY % 'example'}": "0x20",
        f"slo:total:increase{IDENTITY % 'example'}": "0x21 14",
    }
    evaluate(tmp_path, [], series, [expect(f"sum({recording(GOOD_PART, 'bad')})", "22m", 6)])


def test_deltas_are_caught_up_with_too() -> None:
    expr = recording(promise(), "total", temporality="delta")
    ranges = re.findall(r"sum_over_time\([^[]+\[(\w+)\] offset 8s\)", expr)
    assert ranges == ["1m", "2m", "3m", "1m"]
