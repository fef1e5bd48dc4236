"""promtool's tests of the generated rules: every alert in the burn it is for, and in all that it must sleep through."""

from __future__ import annotations

from typing import Any, Final

from lumigate.exposition.names import bucket_label, prometheus_label, prometheus_name
from lumigate.telemetry.schema import InstrumentKind
from slo import records
from slo.alerting import alert_name, alerts
from slo.durations import promql
from slo.emissions import Emission, classes
from slo.model import CatalogEvents, Counted, Promise, Selection
from slo.policy import Policy
from slo.prometheus import heartbeat
from slo.promql import quoted
from slo.rules import to_yaml
from slo.scenarios import Scenario, Shard, scenarios
from slo.settings import Settings
from slo.timeline import Segment, notation, per_step, running_total
from slo.windows import Severity

_INSTANCE: Final = "service_instance_id"
type _Series = tuple[str, tuple[tuple[str, str], ...]]


def rule_test(promise: Promise, settings: Settings, rule_file: str) -> str | None:
    """The test of one promise's rules; None for a raw query, whose series nobody knows."""
    indicator = promise.indicator
    if not isinstance(indicator, Counted) or not all(
        isinstance(side, CatalogEvents) for side in (indicator.part, indicator.total)
    ):
        return None
    step = settings.step_seconds
    tests = [_test(promise, settings, scenario) for scenario in scenarios(promise, step)]
    if any(alert.alert == alert_name(promise, "CountsContradict") for alert in alerts(promise, settings)):
        tests.append(_contradiction(promise, settings))
    content = {"rule_files": [rule_file], "evaluation_interval": promql(step), "tests": tests}
    return to_yaml(content)


def _test(promise: Promise, settings: Settings, scenario: Scenario) -> dict[str, Any]:
    step, delay = settings.step_seconds, settings.delay_steps
    last = len(scenario.history) - 1 + delay
    expectations = [
        _expect(
            f"count({_firing(promise, severity)}) or vector(0)", (at + delay) * step, [("{}", float(fires))]
        )
        for at, severity, fires in scenario.checks
    ]
    expectations += [
        _expect(
            f"count_over_time({_firing(promise, severity)}[{promql((last + 1) * step)}])", last * step, []
        )
        for severity in scenario.never
    ]
    # whatever happened to the series, nothing was lost or counted twice
    total = sum(good + bad for good, bad in scenario.history)
    bad = sum(bad for _, bad in scenario.history)
    for name, count in ((records.PERIOD_TOTAL, total), (records.PERIOD_BAD, bad)):
        expectations.append(_expect(f"sum({name}{_identity(promise)})", last * step, [("{}", float(count))]))
    return {
        "name": f"{promise.name}: {scenario.name}",
        "interval": promql(step),
        "input_series": [
            *_series(promise, scenario),
            {"series": heartbeat(settings.heartbeat, settings.matchers), "values": f"0+1x{last}"},
        ],
        "promql_expr_test": expectations,
    }


def _contradiction(promise: Promise, settings: Settings) -> dict[str, Any]:
    """More good events than events: an alert, and a budget that is whole, not more than whole."""
    step, at = settings.step_seconds, (20 + settings.delay_steps) * settings.step_seconds
    indicator = promise.indicator
    assert isinstance(indicator, Counted)
    assert isinstance(indicator.part, CatalogEvents)
    found = classes(indicator)
    event = (found.good if indicator.numerator == "good" else found.bad) or ()
    counted = [(e, s) for e in event for s in indicator.part.selections if e.counted_by(s)]
    history = [total for total, _ in per_step([Segment(steps=20, good=10)])]
    every = {key for emission in event for key in _keys(promise, emission)}
    inputs = []
    for series in sorted(every):
        in_part = any(series == _key(e, s) for e, s in counted)
        rates = history if in_part else [rate // 2 for rate in history]
        inputs.append(
            {
                "series": _name(series, Shard(name="shard-0")),
                "values": notation(running_total(rates)),
            }
        )
    firing = f'count(ALERTS{{alertname="{alert_name(promise, "CountsContradict")}",alertstate="firing"}}) or vector(0)'
    budget = f"sum({records.BUDGET_REMAINING}{_identity(promise)}) <= bool 1"
    return {
        "name": f"{promise.name}: more {indicator.numerator} events than events",
        "interval": promql(step),
        "input_series": inputs,
        "promql_expr_test": [
            _expect(firing, at, [("{}", 1.0)]),
            _expect(budget, at, [("{}", 1.0)]),
        ],
    }


def _series(promise: Promise, scenario: Scenario) -> list[dict[str, str]]:
    indicator = promise.indicator
    assert isinstance(indicator, Counted)
    found = classes(indicator)
    good, bad = (
        {key for emission in event or () for key in _keys(promise, emission)}
        for event in (found.good, found.bad)
    )
    inputs = []
    for series in sorted(good | bad):
        rates = [g * (series in good) + b * (series in bad) for g, b in scenario.history]
        inputs += [
            {"series": _name(series, shard), "values": notation(shard.samples(rates))}
            for shard in scenario.shards
        ]
    return inputs


def _keys(promise: Promise, emission: Emission) -> list[_Series]:
    """The series that one record adds one to, as far as the promise reads them."""
    return [
        _key(emission, selection)
        for selection in promise.selections()
        if selection.metric.name == emission.metric.name and (selection.at_most is None or emission.within)
    ]


def _key(emission: Emission, selection: Selection) -> _Series:
    name, labels = prometheus_name(emission.metric), [*emission.labels]
    if emission.metric.kind is InstrumentKind.HISTOGRAM:
        name += "_count" if selection.at_most is None else "_bucket"
    if selection.at_most is not None:
        labels.append(("le", bucket_label(selection.at_most)))
    return name, tuple((prometheus_label(key), value) for key, value in labels if value)


def _name(series: _Series, shard: Shard) -> str:
    name, labels = series
    every = [*labels, (_INSTANCE, shard.name), *shard.labels.items()]
    return f"{name}{{{','.join(f'{key}={quoted(value)}' for key, value in every)}}}"


def _firing(promise: Promise, severity: Severity) -> str:
    name = alert_name(promise, "Burn")
    return f'ALERTS{{alertname="{name}",severity="{severity}",alertstate="firing"}}'


def _identity(promise: Promise) -> str:
    return f"{{{records.SERVICE}={quoted(promise.service)},{records.SLO}={quoted(promise.name)}}}"


def _expect(expr: str, at: float, samples: list[tuple[str, float]]) -> dict[str, Any]:
    return {
        "expr": expr,
        "eval_time": promql(at) if at else "0m",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }


def service_rule_test(promise: Promise, settings: Settings, policy: Policy, rule_files: list[str]) -> str:
    """The test of the service's alerts, beside one promise whose records they read."""
    from slo.service_tests import service_tests

    content = {
        "rule_files": rule_files,
        "evaluation_interval": promql(settings.step_seconds),
        "tests": service_tests(promise, settings, policy, _series),
    }
    return to_yaml(content)
