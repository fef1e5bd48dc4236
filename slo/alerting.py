"""The alerts of a promise: its burns, and counts that contradict each other.

A burn alerts when it is fast over a long window and still goes on in a short one, and when enough bad events are behind
it (`minimum_bad_events`). All tiers of a severity are one alert, so that an outage is one page and not two. There is no
`for`: the long window is the patience, and the short one ends the alert soon after the burn has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from slo import records, texts
from slo.durations import held
from slo.emissions import classes
from slo.model import Counted, Promise, RawEvents
from slo.recording import recorded
from slo.rules import Alert
from slo.settings import Settings
from slo.sloth_names import sloth_identity
from slo.windows import Severity, Tier, tiers

_IDENTITY: Final = ", ".join(records.IDENTITY)
_ROUNDING: Final = 1e-9
"""What sums of floats may differ by, of the total, before it is called a contradiction."""


def alerts(promise: Promise, settings: Settings) -> list[Alert]:
    """The alerts that the promise wants, pages first."""
    step = settings.step_seconds
    found = []
    severities: tuple[Severity, ...] = ("page", "ticket")
    for severity in severities:
        chosen = [tier for tier in promise.tiers(step) if tier.severity == severity]
        if chosen and severity in promise.severities:
            found.append(_burn(promise, settings, severity, chosen))
    if _can_contradict(promise):
        found.append(_contradiction(promise, settings))
    return found


def burn_expression(promise: Promise, chosen: Iterable[Tier], step: float) -> str:
    """The burn over the long window of whichever tier burns: one sample with the promise's identity, or none."""
    least = promise.minimum_bad_events(step)
    parts = []
    for tier in chosen:
        long, short = (
            f"{recorded(promise, records.BURN_RATE, window=window)} > {tier.factor:g}"
            for window in (tier.long_label, tier.short_label)
        )
        lines = [long, f"and on({_IDENTITY}) ({short})"]
        if least:
            bad = f"sum_over_time({recorded(promise, records.BAD)}[{held(tier.long)}])"
            lines.append(f"and on({_IDENTITY}) ({bad} >= {least})")
        parts.append("\n    ".join(lines))
    return f"max without({records.WINDOW}) (\n    " + "\n  or\n    ".join(parts) + "\n)"


def alert_name(promise: Promise, ending: str) -> str:
    words = f"{promise.service}-{promise.name}".split("-")
    return "".join(word[:1].upper() + word[1:] for word in words) + ending


def sloth_labels(promise: Promise, severity: Severity, settings: Settings) -> dict[str, str]:
    """What routing that was made for Sloth's alerts goes by, if its names are wanted."""
    return sloth_identity(promise) | {"sloth_severity": severity} if settings.names == "sloth" else {}


def _burn(promise: Promise, settings: Settings, severity: Severity, chosen: list[Tier]) -> Alert:
    step = settings.step_seconds
    speeds = " or ".join(f"{t.factor:g} times over {t.long_label} and {t.short_label}" for t in chosen)
    spent, left = texts.budget_spent(promise), texts.time_to_exhaustion(promise)
    skipped = [t for t in tiers(promise.period, step) if t.severity == severity and t not in chosen]
    note = f" (not {skipped[0].factor:g} times: the budget is too large for it)" if skipped else ""
    return Alert(
        alert=alert_name(promise, "Burn"),
        expr=burn_expression(promise, chosen, step),
        severity=severity,
        labels=promise.alert_texts("labels", severity) | sloth_labels(promise, severity, settings),
        runbook=promise.name,
        annotations={
            "summary": texts.literal(promise.title)
            + ': the error budget burns {{ $value | printf "%.3g" }} times too fast.',
            "description": texts.in_words(promise),
            "budget": f"{spent.prometheus()} of the error budget is spent; "
            f"at this pace the rest lasts {left.prometheus()}.",
            "condition": f"A {severity} at {speeds}{note}, from {promise.minimum_bad_events(step)} bad events on.",
            **texts.dashboards(settings, promise, 6 if severity == "page" else 72),
            "runbook_url": texts.runbook(settings, promise.name),
            **promise.alert_texts("annotations", severity),
        },
    )


def _can_contradict(promise: Promise) -> bool:
    """Whether the counts can disagree: not where the bad are, by their labels, a part of the total."""
    indicator = promise.indicator
    if not isinstance(indicator, Counted):
        return False
    if isinstance(indicator.part, RawEvents) or isinstance(indicator.total, RawEvents):
        return True
    # a histogram's bucket and its count are two series, whatever wrote them
    threshold = any(selection.at_most is not None for selection in promise.selections())
    return threshold or classes(indicator).contradiction is not None


def _contradiction(promise: Promise, settings: Settings) -> Alert:
    assert isinstance(promise.indicator, Counted)
    tier = tiers(promise.period, settings.step_seconds)[0]
    bad, total = (
        f"sum_over_time({recorded(promise, name)}[{held(tier.long)}])"
        for name in (records.BAD, records.TOTAL)
    )
    surplus = (
        f"-{bad} > {_ROUNDING:g} * {total}"
        if promise.indicator.numerator == "good"
        else f"{bad} - {total} > {_ROUNDING:g} * {total}"
    )
    what = f"more {promise.indicator.numerator} events than events"
    return Alert(
        alert=alert_name(promise, "CountsContradict"),
        expr=surplus,
        severity="ticket",
        labels=promise.alert_texts("labels", "ticket"),
        runbook="counts-contradict",
        annotations={
            "summary": f"{texts.literal(promise.title)}: {what}, "
            f"{{{{ $value | printf `%.0f` }}}} in the last {tier.long_label}.",
            "description": f"{texts.in_words(promise)} Its ratio cannot be believed until the counts agree.",
            **texts.dashboards(settings, promise, 6),
            "runbook_url": texts.runbook(settings, "counts-contradict"),
            **promise.alert_texts("annotations", "ticket"),
        },
    )
