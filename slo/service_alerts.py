"""The alerts that are about no single promise: telemetry that went silent, gaps in it, spent budgets, and notices."""

from __future__ import annotations

from typing import Final

from slo import records, texts
from slo.durations import promql
from slo.notice_rules import notice_alerts
from slo.policy import Policy, Stage
from slo.promql import quoted, selector
from slo.recording import OBSERVED_STEPS, SILENT_STEPS
from slo.rules import Alert
from slo.settings import Settings

_IDENTITY: Final = ", ".join(records.IDENTITY)
_LEAST_COVERAGE: Final = 0.9
_COVERAGE_STEPS: Final = 60


def service_alerts(settings: Settings, policy: Policy) -> list[Alert]:
    """Silence first: while it lasts, the others see nothing."""
    return [
        *standing_alerts(settings, policy),
        *notice_alerts(settings, alert_prefix(settings)),
    ]


def standing_alerts(settings: Settings, policy: Policy) -> list[Alert]:
    """Those that read what the promises record: silence, gaps, and a budget's stages."""
    return [_silence(settings), _coverage(settings), *(_stage(settings, stage) for stage in policy.stages)]


def alert_prefix(settings: Settings) -> str:
    """What their names begin with."""
    return _name(settings, "")


def _name(settings: Settings, ending: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in settings.service.split("-")) + ending


def _silence(settings: Settings) -> Alert:
    """No heartbeat: an idle service still beats, so the worker, its cron, the shard or the scrape is broken."""
    step, boards = settings.step_seconds, settings.dashboards
    observed = selector(records.OBSERVED, [f"{records.SERVICE}={quoted(settings.service)}"], {})
    minutes = promql((OBSERVED_STEPS + SILENT_STEPS) * step)
    return Alert(
        alert=_name(settings, "TelemetrySilent"),
        expr=f"max by({records.SERVICE}) ({observed}) == 0",
        severity="page",
        labels={},
        wait=SILENT_STEPS * step,
        runbook="telemetry-silent",
        annotations={
            "summary": f"No heartbeat of {settings.service} for {minutes}: nothing is known of it.",
            "description": "An idle service still beats once a minute. The worker, its cron trigger, the counter shard "
            "or the scrape is broken, and no other alert can be trusted until it is mended.",
            "dashboard": f"{boards.grafana_url}/d/{boards.uid('telemetry-delivered')}?from=now-6h&to=now"
            + texts.narrowed(settings),
            "runbook_url": texts.runbook(settings, "telemetry-silent"),
        },
    )


def _coverage(settings: Settings) -> Alert:
    """Less of the period is on record than could be: telemetry had gaps, or retention is shorter than the period."""
    service = [f"{records.SERVICE}={quoted(settings.service)}"]
    part = f"{selector(records.COVERAGE, service, {})} / {selector(records.COVERAGE_EXPECTED, service, {})}"
    return Alert(
        alert=_name(settings, "CoverageLow"),
        expr=f"min by({records.SERVICE}) ({part}) < {_LEAST_COVERAGE}",
        severity="ticket",
        labels={},
        wait=_COVERAGE_STEPS * settings.step_seconds,
        runbook="coverage-low",
        annotations={
            "summary": "Only {{ $value | humanizePercentage }} of what the promises speak of was observed.",
            "description": "Either telemetry had gaps, or Prometheus keeps less than the period "
            "(`--storage.tsdb.retention.time`): budgets are of a shorter time than they say.",
            "dashboard": _promises_dashboard(settings),
            "runbook_url": texts.runbook(settings, "coverage-low"),
        },
    )


def _promises_dashboard(settings: Settings) -> str:
    """A link over the usual period, to the promises of this service among those that one Prometheus may hold."""
    boards = settings.dashboards
    variables = texts.narrowed(settings, service=settings.service)
    return f"{boards.grafana_url}/d/{boards.slo}?from=now-30d&to=now{variables}"


def _stage(settings: Settings, stage: Stage) -> Alert:
    """A stage of the budget policy, by promise. Too few bad events are no evidence here either."""
    service = [f"{records.SERVICE}={quoted(settings.service)}"]
    spent, bad, least = (
        selector(name, service, {})
        for name in (records.BUDGET_SPENT, records.PERIOD_BAD, records.MINIMUM_BAD)
    )
    enough = f"{bad} >= on({_IDENTITY}) {least}"
    return Alert(
        alert=_name(settings, f"Budget{stage.name}Spent"),
        expr=f"{spent} >= {stage.spent:g}\nand on({_IDENTITY})\n({enough})",
        severity=stage.severity,
        labels={"releases": stage.releases},
        runbook="budget-spent",
        annotations={
            "summary": "{{ $labels.slo }}: {{ $value | humanizePercentage }} of the error budget is spent; "
            f"releases are {stage.releases}.",
            "description": " ".join(stage.action.split()),
            "budget": "{{ $value | humanizePercentage }} of the error budget is spent; at this pace the rest lasts "
            f"{texts.time_left_of_alerts_promise(settings)}.",
            "dashboard": _promises_dashboard(settings) + "&var-slo={{ $labels.slo }}",
            "runbook_url": texts.runbook(settings, "budget-spent"),
        },
    )
