"""The same alerts managed by Grafana: file provisioning of alert rules, contact points and notification policies.

Rules read what the recording rules record; only the alerting moves to Grafana. Format:
https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/. Grafana expands
`$…` in these files as environment variables, so templates name `.Labels` and `.Values` and need no dollar sign; one
that a text has is doubled.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final

from slo import records
from slo.alertmanager import GROUP_BY, PAGE, TICKET, TICKETS_BY
from slo.durations import promql
from slo.rules import Alert, Group, to_yaml
from slo.settings import Settings

_ORGANISATION: Final = 1
_QUERY: Final = re.compile(
    r"\{\{ with (?:query|printf) `(?P<expr>[^`]*)`(?: \$labels\.slo \| query)? \}\}"
    r"\{\{ \. \| first \| value \| (?P<form>.*?) \}\}"
    r"(?:\{\{ else \}\}(?P<missing>.*?))?\{\{ end \}\}"
)
_FORMS: Final = {
    "printf `%.1f%%`": "{{{{ printf `%.1f%%` .Values.{0}.Value }}}}",
    "humanizeDuration": "{{{{ humanizeDuration .Values.{0}.Value }}}}",
    "printf `%.0f`": "{{{{ printf `%.0f` .Values.{0}.Value }}}}",
}
_MISSING: Final = -1_000_000
_REFERENCES: Final = ("C", "D", "E", "F", "G")
"""A is the condition's query and B the condition."""


def grafana_rules(groups: Iterable[Group], settings: Settings) -> str:
    """Alert rules, one Grafana group for each of ours that has any."""
    content = [
        {
            "orgId": _ORGANISATION,
            "name": group.name,
            "folder": settings.dashboards.folder,
            "interval": promql(group.interval),
            "rules": [_rule(alert, group, settings) for alert in group.alerts],
        }
        for group in groups
        if group.alerts
    ]
    return to_yaml({"apiVersion": 1, "groups": content})


def grafana_contact_points(settings: Settings) -> str:
    """Contact points: the webhooks of `settings.yaml`."""
    receivers = ((PAGE, settings.receivers.page), (TICKET, settings.receivers.ticket))
    content = [
        {
            "orgId": _ORGANISATION,
            "name": name,
            "receivers": [{"uid": name, "type": "webhook", "settings": {"url": url, "httpMethod": "POST"}}],
        }
        for name, url in receivers
    ]
    return to_yaml({"apiVersion": 1, "contactPoints": content})


def grafana_policies(settings: Settings, services: Iterable[str]) -> str:
    """The notification policy tree. Grafana has one an organisation: this replaces it.

    `services` are those that anything is promised of: what else pages in this Grafana is not ours to route.
    """
    ours = sorted({settings.service, *services})
    of_ours = [records.SERVICE, "=", ours[0]] if len(ours) == 1 else [records.SERVICE, "=~", "|".join(ours)]
    content = {
        "orgId": _ORGANISATION,
        "receiver": TICKET,
        "group_by": ["grafana_folder", *TICKETS_BY],
        "group_wait": "5m",
        "group_interval": "1h",
        "repeat_interval": "3d",
        "routes": [
            {
                "receiver": PAGE,
                "group_by": list(GROUP_BY),
                "object_matchers": [["severity", "=", "page"], of_ours],
                "group_wait": "1s",
                "group_interval": "1m",
                "repeat_interval": "4h",
            }
        ],
    }
    return to_yaml({"apiVersion": 1, "policies": [content]})


def _rule(alert: Alert, group: Group, settings: Settings) -> dict[str, Any]:
    figures: dict[str, str] = {}
    # a link's time range is Grafana's own affair: its alert page and panels have one
    annotations = {
        key: _texts(
            re.sub(r"from=\{\{.*?\{\{ end \}\}&to=\{\{.*?\{\{ end \}\}", "from=now-6h&to=now", text), figures
        )
        for key, text in alert.annotations.items()
    }
    uid = hashlib.sha256(f"{group.name}/{alert.alert}/{alert.severity}".encode()).hexdigest()[:20]
    return {
        "uid": f"slo-{uid}",
        "title": f"{alert.alert} ({alert.severity})",
        "condition": "B",
        "data": [
            # one level, without the metric's name: every query of the rule has the same labels
            _query(
                "A",
                f"sum without() (\n{alert.expr}\n)" if "max " not in alert.expr[:5] else alert.expr,
                settings,
            ),
            {
                "refId": "B",
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "B",
                    "type": "threshold",
                    "expression": "A",
                    # the query returns a sample exactly while the alert holds, and none is negative
                    "conditions": [{"evaluator": {"type": "gt", "params": [-1]}}],
                },
            },
            *(_query(reference, expr, settings) for expr, reference in figures.items()),
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": promql(alert.wait) if alert.wait else "0s",
        "annotations": annotations,
        "labels": {"severity": alert.severity, **alert.labels},
        "isPaused": False,
    }


def _query(reference: str, expr: str, settings: Settings) -> dict[str, Any]:
    return {
        "refId": reference,
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": settings.dashboards.datasource_uid,
        "model": {"refId": reference, "expr": expr, "instant": True, "range": False},
    }


def _texts(text: str, figures: dict[str, str]) -> str:
    """Prometheus' template as Grafana's: a query inside becomes one beside the condition, by its letter."""

    def replace(found: re.Match[str]) -> str:
        # Grafana itself takes the result that has the alert's labels
        asked = found["expr"].replace(f",{records.SLO}=%q", "")
        identity = asked[asked.index("{") :]
        # a query without a result must have one all the same, or the text would say 0
        expr = f"sum without() ({asked}) or {_MISSING} + 0 * sum without() ({records.OBJECTIVE}{identity})"
        reference = figures.setdefault(expr, _REFERENCES[len(figures)])
        value = _FORMS[found["form"]].format(reference)
        condition = f"{{{{ if gt .Values.{reference}.Value {_MISSING}.0 }}}}"
        return f"{condition}{value}{{{{ else }}}}{found['missing']}{{{{ end }}}}"

    text = _QUERY.sub(replace, text)
    text = re.sub(r"\$labels\.", ".Labels.", text)
    text = re.sub(r"\{\{ \$value \| (\w+) \}\}", r"{{ \1 .Values.A.Value }}", text)
    text = re.sub(r"\{\{ \$value \| printf (\S+) \}\}", r"{{ printf \1 .Values.A.Value }}", text)
    text = re.sub(r"\$value\b", ".Values.A.Value", text)
    return text.replace("$", "$$")  # whatever is left is a dollar
