"""The rules of what is noticed beside the promises: exact increases every step, and alerts on their sums.

Bad events are recorded only in steps that had any, so counting samples counts the steps, and a series that is absent is
no trouble. Everything is recorded with `service` and `event`, by which routing tells the alerts apart.
"""

from __future__ import annotations

from typing import Final

from lumigate.exposition.names import prometheus_label
from slo import records, texts
from slo.durations import held, promql
from slo.model import CatalogEvents
from slo.notices import NOTICES, TROUBLES, Notice
from slo.promql import increases, increases_by, quoted
from slo.rules import Alert, Record
from slo.settings import Settings
from slo.troubles import Trouble

_ALL_OF_THEM: Final = 1.0


def notice_records(settings: Settings, beats: str) -> list[Record]:
    """What the alerts read. `beats` is the heartbeat's selector."""
    found = []
    for trouble in TROUBLES:
        labels = {records.SERVICE: settings.service, records.EVENT: trouble.event}
        bad = f"({_increase(trouble, trouble.bad, settings, beats)}) > 0"
        found.append(Record(record=records.EVENT_BAD, expr=bad, labels=labels))
        if trouble.all is not None:
            every = _increase(trouble, trouble.all, settings, beats)
            found.append(Record(record=records.EVENT_ALL, expr=every, labels=labels))
    return found


def notice_alerts(settings: Settings, prefix: str) -> list[Alert]:
    """One an entry of the table; `prefix` begins their names."""
    return [_alert(notice, settings, prefix) for notice in NOTICES]


def expression(notice: Notice, settings: Settings) -> str:
    """The share of all that is bad, or the number of bad ones, while the notice holds; else nothing."""
    step = settings.step_seconds
    identity = f"{records.SERVICE}={quoted(settings.service)},{records.EVENT}={quoted(notice.trouble.event)}"

    def over(function: str, name: str, steps: int) -> str:
        return f"{function}({name}{{{identity}}}[{held(steps * step)}])"

    bad = over("sum_over_time", records.EVENT_BAD, notice.window)
    parts = [f"({bad} >= {notice.least})"]
    if notice.share:
        every = over("sum_over_time", records.EVENT_ALL, notice.window)
        parts.insert(0, f"({bad} / ({every} > 0) >= {notice.share:g})")
    if notice.lasting > 1:
        parts.append(f"({over('count_over_time', records.EVENT_BAD, notice.window)} >= {notice.lasting})")
    if notice.recent < notice.window:
        parts.append(f"({over('count_over_time', records.EVENT_BAD, notice.recent)} > 0)")
    return "\nand ".join(parts)


def _increase(trouble: Trouble, events: CatalogEvents, settings: Settings, beats: str) -> str:
    step, settle, temporality = settings.step_seconds, settings.settle_seconds, settings.temporality
    if trouble.by:
        (selection,) = events.selections
        return increases_by(
            [prometheus_label(attribute.key) for attribute in trouble.by],
            selection,
            step=step,
            settle=settle,
            temporality=temporality,
            matchers=settings.matchers,
        )
    return increases(
        events,
        step=step,
        settle=settle,
        temporality=temporality,
        matchers=settings.matchers,
        beats=beats if trouble.unsharded else "",
    )


def _alert(notice: Notice, settings: Settings, prefix: str) -> Alert:
    boards, event = settings.dashboards, notice.trouble.event
    hours = "6h" if notice.severity == "page" else "3d"
    return Alert(
        alert=prefix + notice.alert,
        expr=expression(notice, settings),
        severity=notice.severity,
        labels={},
        runbook=notice.runbook,
        annotations={
            "summary": notice.summary,
            "description": notice.description,
            "condition": _in_words(notice, settings.step_seconds),
            "dashboard": f"{boards.grafana_url}/d/{boards.of_event(event)}?from=now-{hours}&to=now"
            + texts.narrowed(settings),
            "runbook_url": texts.runbook(settings, notice.runbook),
        },
    )


def _in_words(notice: Notice, step: float) -> str:
    window, recent = promql(notice.window * step), promql(notice.recent * step)
    share = f", {notice.share:.15g} of all or more" if notice.share else ""
    share = ", and nothing else" if notice.share == _ALL_OF_THEM else share
    lasting = f", in {notice.lasting} different steps" if notice.lasting > 1 else ""
    goes_on = f", the last within {recent}" if notice.recent < notice.window else ""
    return f"A {notice.severity} from {notice.least} bad events on within {window}{lasting}{share}{goes_on}."
