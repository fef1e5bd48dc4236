"""An alert of the budget's policy is one rule for all promises, and tells each promise's own numbers."""

from __future__ import annotations

from pathlib import Path

import yaml

from slo import records
from slo.prometheus import service_group
from slo.rules import rule_file
from tests.slo.examples import policy, settings
from tests.slo.promtool import evaluate, expect, promtool, run

STANDING = {"availability": (0.55, 5_400), "llm-errors": (0.6, None)}
"""What each has spent, and the seconds that the rest lasts at its pace; None where nothing burns."""
LASTS = {"availability": "1h 30m 0s", "llm-errors": "longer than the period"}


def test_budget_spent_and_time_left_are_those_of_the_promise_that_fires(tmp_path: Path) -> None:
    group = service_group(settings(), policy())
    (tmp_path / "rules.yaml").write_text(rule_file([group]))
    (alert,) = [each for each in group.alerts if each.alert == "LumigateBudgetHalfSpent"]
    series: dict[str, float] = {}
    for name, (spent, left) in STANDING.items():
        labels = f'{{service="lumigate",slo="{name}"}}'
        series[records.BUDGET_SPENT + labels] = spent
        series[records.PERIOD_BAD + labels] = 100
        series[records.MINIMUM_BAD + labels] = 5
        if left is not None:
            series[records.EXHAUSTION + labels] = left
    expected = [
        {
            "exp_labels": {"severity": "info", "releases": "open", "service": "lumigate", "slo": name},
            "exp_annotations": {
                **alert.annotations,
                "summary": f"{name}: {100 * spent:g}% of the error budget is spent; releases are open.",
                "budget": f"{100 * spent:g}% of the error budget is spent; at this pace the rest lasts {LASTS[name]}.",
                "dashboard": alert.annotations["dashboard"].replace("{{ $labels.slo }}", name),
            },
        }
        for name, (spent, _) in STANDING.items()
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{value}x10"} for name, value in series.items()],
        "alert_rule_test": [{"alertname": alert.alert, "eval_time": "5m", "exp_alerts": expected}],
    }
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    run(promtool(), "test", "rules", tmp_path / "test.yaml")


def test_one_promise_that_is_seen_too_little_is_told_whatever_the_others_are(tmp_path: Path) -> None:
    """A promise about a team's own queries can be blind alone."""
    firing = 'count(ALERTS{alertname="LumigateCoverageLow",alertstate="firing"}) or vector(0)'
    shares = {"availability": 1.0, "brought-along": 0.5}
    series = {
        f'{name}{{service="lumigate",slo="{slo}"}}': f"{share if name == records.COVERAGE else 1}x80"
        for slo, share in shares.items()
        for name in (records.COVERAGE, records.COVERAGE_EXPECTED)
    }
    evaluate(tmp_path, [service_group(settings(), policy())], series, [expect(firing, "70m", 1)])


def test_too_few_bad_events_spend_no_budget_that_anybody_is_told_of(tmp_path: Path) -> None:
    """One failure of two is a budget 500 times spent: of a promise with so little traffic, nothing is known."""
    labels = '{service="lumigate",slo="availability"}'
    firing = 'count(ALERTS{alertname=~"LumigateBudget.*",alertstate="firing"}) or vector(0)'
    for bad, alerts in ((4, 0), (5, len(policy().stages))):
        series = {
            records.BUDGET_SPENT: "500x10",
            records.PERIOD_BAD: f"{bad}x10",
            records.MINIMUM_BAD: "5x10",
        }
        evaluate(
            tmp_path,
            [service_group(settings(), policy())],
            {name + labels: values for name, values in series.items()},
            [expect(firing, "5m", alerts)],
        )
