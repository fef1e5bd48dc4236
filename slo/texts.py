"""What an alert tells the person it wakes: Go templates for Prometheus, and what they mean in words.

Each text that needs a number beside the alert's own value names a query for it (`Figure`), so that Prometheus can run
it inside the template and Grafana, whose templates cannot, can run it beside the condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode

from slo import records
from slo.model import Promise
from slo.recording import recorded
from slo.settings import Settings

type Form = Literal["percentage", "duration", "plain"]
_PROMETHEUS_FORMS: Final[Mapping[Form, str]] = {
    # of a number of percent: `humanizePercentage` says 1e+04% of ten thousand
    "percentage": "printf `%.1f%%`",
    "duration": "humanizeDuration",
    "plain": 'printf "%.3g"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number in an alert's text. `missing` stands where the query returns nothing."""

    expr: str
    form: Form
    missing: str

    def prometheus(self) -> str:
        """A template that runs the query."""
        form = _PROMETHEUS_FORMS[self.form]
        value = f"{{{{ . | first | value | {form} }}}}"
        return f"{{{{ with query `{self.expr}` }}}}{value}{{{{ else }}}}{self.missing}{{{{ end }}}}"


def budget_spent(promise: Promise) -> Figure:
    spent = f"100 * {recorded(promise, records.BUDGET_SPENT)}"
    return Figure(expr=spent, form="percentage", missing="an unknown part")


def time_to_exhaustion(promise: Promise) -> Figure:
    return Figure(
        expr=recorded(promise, records.EXHAUSTION), form="duration", missing="longer than the period"
    )


def time_left_of_alerts_promise(settings: Settings) -> str:
    """The same where one alert is of every promise: a template that asks for the one in the alert's label."""
    figure = Figure(
        expr=f'{records.EXHAUSTION}{{{records.SERVICE}="{settings.service}",{records.SLO}=%q}}',
        form="duration",
        missing="longer than the period",
    )
    asked = f"with printf `{figure.expr}` $labels.{records.SLO} | query"
    return figure.prometheus().replace(f"with query `{figure.expr}`", asked)


def literal(text: str) -> str:
    """A text that a template says as it stands: what looks like a template in it is none."""
    return text.replace("{{", '{{ "{{" }}')


def in_words(promise: Promise) -> str:
    """The promise as a sentence, with its objective and period."""
    days = promise.period / 86_400
    return f"{literal(promise.description.rstrip('.'))}. Objective: {promise.percent} over {days:g} days."


def dashboards(settings: Settings, promise: Promise, hours: float) -> dict[str, str]:
    """Links to the dashboard that shows the cause, and to the budget where that is another one."""
    boards = settings.dashboards
    found = {"dashboard": _dashboard(settings, promise, boards.uid(promise.name), hours)}
    if boards.uid(promise.name) != boards.slo:
        found["budget_dashboard"] = _dashboard(settings, promise, boards.slo, hours)
    return found


def _dashboard(settings: Settings, promise: Promise, uid: str, hours: float) -> str:
    """Over the hours that matter, up to this evaluation, with the variables that the dashboard has."""
    boards = settings.dashboards
    of_promises = {"service": promise.service, "slo": promise.name} if uid == boards.slo else {}
    value = "{{ . | first | value | printf `%.0f` }}"
    instants = [
        f"{{{{ with query `1000 * (time() - {seconds:.15g})` }}}}{value}{{{{ end }}}}"
        for seconds in (hours * 3600, 0)
    ]
    return (
        f"{boards.grafana_url}/d/{uid}?from={instants[0]}&to={instants[1]}{narrowed(settings, **of_promises)}"
    )


def narrowed(settings: Settings, **variables: str) -> str:
    """What a link ends with, so that its dashboard shows `variables`, of this deployment where there are several."""
    job = {"job": settings.matchers["job"]} if "job" in settings.matchers else {}
    return "".join(f"&{urlencode({f'var-{name}': value})}" for name, value in (job | variables).items())


def runbook(settings: Settings, page: str) -> str:
    return f"{settings.runbook_url}/{page}.md"
