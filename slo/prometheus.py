"""Promises as Prometheus rule groups: one for each promise, in which everything is evaluated at the same instant."""

from __future__ import annotations

from collections.abc import Mapping

from lumigate.catalog import METRICS
from lumigate.exposition.names import prometheus_name
from slo.alerting import alerts
from slo.model import Promise
from slo.notice_rules import notice_records
from slo.policy import Policy
from slo.promql import selector
from slo.recording import Recorder
from slo.rules import Group
from slo.service_alerts import service_alerts
from slo.settings import Settings
from slo.sloth_names import sloth_records


def promise_group(promise: Promise, settings: Settings) -> Group:
    """What is recorded and alerted on for one promise."""
    recorder = Recorder(
        step=settings.step_seconds,
        settle=settings.settle_seconds,
        heartbeat=heartbeat(settings.heartbeat, settings.matchers),
        temporality=settings.temporality,
        matchers=settings.matchers,
    )
    aliases = sloth_records(promise, settings.step_seconds) if settings.names == "sloth" else []
    return Group(
        name=f"slo-{promise.service}-{promise.name}",
        interval=settings.step_seconds,
        rules=(*recorder.rules(promise), *aliases, *alerts(promise, settings)),
    )


def service_group(settings: Settings, policy: Policy) -> Group:
    """The alerts on the service as a whole, and what they read that no promise records."""
    beats = heartbeat(settings.heartbeat, settings.matchers)
    return Group(
        name=f"slo-{settings.service}",
        interval=settings.step_seconds,
        rules=(*notice_records(settings, beats), *service_alerts(settings, policy)),
    )


def heartbeat(metric: str, matchers: Mapping[str, str]) -> str:
    """The heartbeat's selector."""
    (declared,) = (each for each in METRICS if each.name == metric)
    return selector(prometheus_name(declared), [], matchers)
