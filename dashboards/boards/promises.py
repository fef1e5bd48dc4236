"""How the promises stand, from the records of `slo/`: the overview's row, and the parts of the SLO dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from dashboards import palette
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.links import link
from dashboards.panels import Sized, lines, stat, states, table
from dashboards.targets import at_the_end, prom
from slo import records
from slo.durations import held
from slo.model import Promise
from slo.windows import Tier

STEP_SECONDS = 60.0
"""How often the committed rules are evaluated; tests compress it with the promises' periods."""
_TO_SLO = [link("Promises", uids.SLO)]


def recorded(name: str, promise: Promise | None = None, **labels: str) -> str:
    """A record's selector: of one promise, or of those that the dashboard's variables choose."""
    of = (
        [f'{records.SERVICE}="{promise.service}"', f'{records.SLO}="{promise.name}"']
        if promise is not None
        else [f'{records.SERVICE}=~"$service"', f'{records.SLO}=~"${{slo}}"']
    )
    return f"{name}{{{', '.join([*of, *(f'{key}="{value}"' for key, value in labels.items())])}}}"


def everything(name: str, promises: Sequence[Promise], **labels: str) -> str:
    """A record's selector over all of these promises."""
    names = "|".join(promise.name for promise in promises)
    of = [f'{records.SERVICE}="{promises[0].service}"', f'{records.SLO}=~"{names}"']
    return f"{name}{{{', '.join([*of, *(f'{key}="{value}"' for key, value in labels.items())])}}}"


def fastest(promises: Sequence[Promise], step: float) -> str:
    """Burn rates over each promise's fastest long window, which depends on its period."""

    def window(promise: Promise) -> str:
        return promise.tiers(step)[0].long_label

    by_window = groupby(sorted(promises, key=window), key=window)
    return " or ".join(everything(records.BURN_RATE, list(group), window=label) for label, group in by_window)


def overview(promises: Sequence[Promise], limits: Limits, step: float = STEP_SECONDS) -> list[Sized]:
    """The first promise in numbers, and all of them side by side."""
    first = next(promise for promise in promises if promise.name == "availability")
    links = limits.links(first.name)
    window = first.tiers(step)[0].long_label
    return [
        stat(
            f"{first.title}, attained",
            f"Good requests over the period, against {first.percent}. Bad: below it, the promise is broken.",
            prom(recorded(records.ATTAINMENT, first)),
            unit="percentunit",
            bad=float(first.target),
            warning=float(first.target + first.budget / 4),
            falling=True,
            decimals=3,
            nothing="no rules",
            width=6,
            links=links,
        ),
        stat(
            "Budget left",
            "What is left of the period's error budget. Bad: below a quarter; at zero only fixes are released.",
            prom(recorded(records.BUDGET_REMAINING, first)),
            unit="percentunit",
            warning=0.5,
            bad=0.25,
            falling=True,
            nothing="no rules",
            width=6,
            links=links,
        ),
        stat(
            "Burn rate",
            f"How many times too fast the budget is spent, over {window}: 1 spends it in exactly the period. Bad: "
            f"above {first.tiers(step)[0].factor:g}, which pages.",
            prom(recorded(records.BURN_RATE, first, window=window)),
            unit="short",
            warning=1,
            bad=first.tiers(step)[0].factor,
            decimals=1,
            nothing="no rules",
            width=6,
            links=links,
        ),
        stat(
            "Budget lasts",
            "Time until the budget is gone at the present burn and traffic. Bad: hours. Absent while nothing burns.",
            prom(recorded(records.EXHAUSTION, first)),
            unit="s",
            warning=7 * 86_400,
            bad=86_400,
            falling=True,
            nothing="not burning",
            width=6,
            links=links,
        ),
        standings(promises, step),
    ]


def standings(promises: Sequence[Promise], step: float = STEP_SECONDS) -> Sized:
    """Every promise in one table."""
    columns = {
        "Objective": everything(records.OBJECTIVE, promises),
        "Attained": everything(records.ATTAINMENT, promises),
        "Budget left": everything(records.BUDGET_REMAINING, promises),
        "Burn rate": f"sum without (window) ({fastest(promises, step)})",
        "Observed": everything(records.COVERAGE, promises),
        "Budget lasts": everything(records.EXHAUSTION, promises),
    }
    hidden = dict.fromkeys(("Time", "service", "__name__", *(f"__name__ {i}" for i in range(1, 7))), True)
    names = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(columns)}
    return table(
        "All promises",
        "Each promise over its period. Bad: budget left near zero or negative, burn rate above 1. «Observed» is the "
        "share of the period with telemetry; a low one means that the rest says little.",
        *(at_the_end(expression) for expression in columns.values()),
        units={
            "Objective": "percentunit",
            "Attained": "percentunit",
            "Budget left": "percentunit",
            "Observed": "percentunit",
            "Budget lasts": "s",
        },
        bars_in={"Budget left": (0.5, 0.25, True), "Burn rate": (1, 14.4, False)},
        links_in={"slo": ("This promise", f"/d/{uids.SLO}?${{__url_time_range}}&var-slo=${{__value.raw}}")},
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": hidden, "renameByName": names}},
        ],
        height=12,
        links=_TO_SLO,
    )


def burn_down(promise: Promise | None = None) -> Sized:
    """What is left of the budget, and the line it would follow if it were spent evenly over the range."""
    # Grafana's global variable: where the range begins, in Unix seconds
    spent = f"(time() - ${{__from:date:seconds}}) / {recorded(records.PERIOD, promise)}"
    return lines(
        "Budget, burning down",
        "Budget left, and the ideal line: a full budget at the start of the range, spent evenly over the period. Bad: "
        "below the line and steeper; a cliff is an incident; below zero the promise is broken.",
        prom(recorded(records.BUDGET_REMAINING, promise), "{{slo}} left"),
        prom(f"clamp_min(1 - {spent}, 0)", "{{slo}} ideal"),
        unit="percentunit",
        colours=(f"{promise.name} left", f"{promise.name} ideal") if promise else None,
        warning=0.25,
        bad=0,
        falling=True,
        minimum=None,
        width=8 if promise else 12,
        links=_TO_SLO,
    )


def burn_rates(promise: Promise | None, tiers: Sequence[Tier]) -> Sized:
    return lines(
        "Burn rate by window",
        "How many times too fast the budget is spent, by window. Bad: a long and a short window above a tier's factor: "
        + ", ".join(f"{tier.factor:g} over {tier.long_label} and {tier.short_label}" for tier in tiers)
        + ".",
        prom(recorded(records.BURN_RATE, promise), "{{window}}" if promise else "{{slo}} {{window}}"),
        unit="short",
        colours=[label for tier in tiers for label in (tier.short_label, tier.long_label)]
        if promise
        else None,
        warning=1,
        bad=max((tier.factor for tier in tiers), default=1),
        width=8 if promise else 12,
        links=_TO_SLO,
    )


def alerts(promise: Promise, tiers: Sequence[Tier], limits: Limits) -> Sized:
    """Which tier's condition holds, whoever evaluates the alerts."""

    def holds(tier: Tier) -> str:
        long, short = (
            recorded(records.BURN_RATE, promise, window=w) for w in (tier.long_label, tier.short_label)
        )
        bad = f"sum_over_time({recorded(records.BAD, promise)}[{held(tier.long)}])"
        evidence = f"({bad} >= bool on (service, slo) {recorded(records.MINIMUM_BAD, promise)})"
        return (
            f"sum without (window) ({long} > bool {tier.factor:g})\n"
            f"* on (service, slo) sum without (window) ({short} > bool {tier.factor:g})\n* on (service, slo) {evidence}"
        )

    return states(
        "Which alert would fire",
        "The condition of each tier: both windows burn faster than its factor, and enough bad events stand behind it. "
        "Bad: orange or vermilion. A promise that wants no alert of a kind shows the condition all the same.",
        *(prom(holds(tier), f"{tier.severity}: {tier.factor:g} over {tier.long_label}") for tier in tiers),
        values={0: ("quiet", palette.GOOD), 1: ("firing", palette.BAD)},
        width=8,
        links=limits.links(promise.name),
    )
