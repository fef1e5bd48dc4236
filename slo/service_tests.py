"""promtool's tests of the service's alerts: silence, gaps, and budgets that are spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slo import records
from slo.durations import promql
from slo.model import Promise
from slo.policy import Policy
from slo.prometheus import heartbeat
from slo.recording import OBSERVED_STEPS
from slo.scenarios import Scenario, volume_of
from slo.service_alerts import standing_alerts
from slo.settings import Settings
from slo.timeline import Sample, Segment, notation, per_step

type SeriesOf = Callable[[Promise, Scenario], list[dict[str, str]]]


def service_tests(
    promise: Promise, settings: Settings, policy: Policy, series_of: SeriesOf
) -> list[dict[str, Any]]:
    """Tests, each with its name."""
    silence, coverage, *stages = (alert.alert for alert in standing_alerts(settings, policy))
    beats = heartbeat(settings.heartbeat, settings.matchers)
    step = settings.step_seconds

    def test(
        name: str,
        history: list[tuple[int, int]],
        beating: list[Sample],
        firing: list[tuple[int, str, bool]],
        expressions: tuple[tuple[int, str, float], ...] = (),
    ) -> dict[str, Any]:
        inputs = series_of(promise, Scenario(name=name, history=history)) if history else []
        if beating:
            inputs.append({"series": beats, "values": notation(beating)})
        checks = [
            (at, f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)', float(fires))
            for at, alert, fires in firing
        ]
        return {
            "name": f"{settings.service}: {name}",
            "interval": promql(step),
            "input_series": inputs,
            "promql_expr_test": [
                {
                    "expr": expr,
                    "eval_time": promql(at * step),
                    "exp_samples": [{"labels": "{}", "value": value}],
                }
                for at, expr, value in (*checks, *expressions)
            ],
        }

    busy = per_step([Segment(steps=90, good=volume_of(promise))])
    steady: list[Sample] = [float(n) for n in range(91)]
    stopped: list[Sample] = [*steady[:30], *([29.0] * 61)]
    silent_at = 29 + 2 * OBSERVED_STEPS
    found = [
        test("an idle night beats: silence is not alerted", [(0, 0)] * 91, steady, [(90, silence, False)]),
        test("traffic and a heartbeat", busy, steady, [(90, silence, False), (90, coverage, False)]),
        test(
            "the heartbeat stops, and the scrape goes on with what it had",
            busy,
            stopped,
            [(silent_at - 1, silence, False), (silent_at + 1, silence, True), (90, silence, True)],
        ),
        test(
            "the scrape fails: every series is stale",
            [],
            [*steady[:30], "stale"],
            [(20, silence, False), (silent_at + 1, silence, True)],
        ),
        test("nothing has ever been seen", [], [], [(4, silence, False), (6, silence, True)]),
        test(
            "the heartbeat resets: a new isolate or a new shard",
            busy,
            [*steady[:45], *[float(n) for n in range(46)]],
            [(60, silence, False), (90, silence, False)],
        ),
    ]
    found.append(_gap(test, coverage, promise))
    found.append(_spent(test, stages, policy, promise, settings.delay_steps))
    return found


def _gap(test: Callable[..., dict[str, Any]], coverage: str, promise: Promise) -> dict[str, Any]:
    """40 of 160 steps unseen: three quarters, for long enough to be told."""
    beating: list[Sample] = [float(n) for n in range(60)]
    beating += [None] * 40
    beating[60] = "stale"
    beating += [float(n) for n in range(60, 160)]
    identity = f'{{{records.SLO}="{promise.name}"}}'
    seen = f"sum({records.COVERAGE}{identity}) / sum({records.COVERAGE_EXPECTED}{identity}) < bool 0.9"
    return test(
        "telemetry had a gap",
        [(0, 0)] * 200,
        beating,
        [(60, coverage, False), (150, coverage, True)],
        ((150, seen, 1.0),),
    )


def _spent(
    test: Callable[..., dict[str, Any]], stages: list[str], policy: Policy, promise: Promise, delay: int
) -> dict[str, Any]:
    """Between the first and the second stage: the first is told, the second is not."""
    spent = (
        (policy.stages[0].spent + policy.stages[1].spent) / 2
        if len(policy.stages) > 1
        else policy.stages[0].spent
    )
    volume = 100 * volume_of(promise)
    bad = round(spent * float(promise.budget) * volume)
    history = per_step([Segment(steps=20, good=volume - bad, bad=bad)])
    firing = [(20 + delay, alert, index == 0) for index, alert in enumerate(stages)]
    return test(f"{spent:.1%} of a budget is spent", history, [float(n) for n in range(21)], firing)
