"""The same numbers under the names and labels that Sloth records, for dashboards that were made for it.

The names are Sloth's (https://github.com/slok/sloth); the values are ours, so the period is weighted by volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slo import records
from slo.durations import DAY, promql
from slo.model import Promise
from slo.recording import recorded
from slo.rules import Record
from slo.windows import tiers

SLOTH_SERVICE: Final = "sloth/service"
SLOTH_SLO: Final = "sloth/slo"
"""Annotations of a spec that came from Sloth: what it was called there. No alert has them."""
_SAME: Final[Mapping[str, str]] = {
    "slo:period_burn_rate:ratio": records.BUDGET_SPENT,
    "slo:period_error_budget_remaining:ratio": records.BUDGET_REMAINING,
}


def sloth_records(promise: Promise, step: float) -> list[Record]:
    """Aliases, with the labels `sloth_id`, `sloth_service`, `sloth_slo` and `sloth_window`."""
    labels = sloth_identity(promise)
    info = {
        "sloth_mode": "cli-gen-prom",
        "sloth_objective": promise.percent.removesuffix("%"),
        "sloth_spec": "prometheus/v1",
        "sloth_version": "lumigate",
    }
    windows = {w for tier in tiers(promise.period, step) for w in (tier.long, tier.short)} | {promise.period}
    found = []
    for window in sorted(windows):
        value = recorded(promise, records.ERROR_RATIO, window=promql(window))
        found.append(
            Record(
                record=f"slo:sli_error:ratio_rate{promql(window)}",
                expr=_bare(value),
                labels={**promise.labels, **labels, "sloth_window": promql(window)},
            )
        )
    shortest = promql(min(windows))
    values = {
        **{name: recorded(promise, ours) for name, ours in _SAME.items()},
        # a name of ours as well: Sloth's labels make it another series
        "slo:objective:ratio": f"vector({promise.target})",
        "slo:error_budget:ratio": f"vector({promise.budget})",
        "slo:time_period:days": f"vector({promise.period / DAY:g})",
        "slo:current_burn_rate:ratio": recorded(promise, records.BURN_RATE, window=shortest),
    }
    found += [
        Record(record=name, expr=_bare(value), labels={**promise.labels, **labels})
        for name, value in values.items()
    ]
    found.append(
        Record(record="sloth_slo_info", expr="vector(1)", labels={**promise.labels, **labels, **info})
    )
    return found


def sloth_identity(promise: Promise) -> dict[str, str]:
    """The labels by which Sloth names a promise: with capitals and dots, where its spec has them."""
    service = promise.annotations.get(SLOTH_SERVICE, promise.service)
    name = promise.annotations.get(SLOTH_SLO, promise.name)
    return {"sloth_id": f"{service}-{name}", "sloth_service": service, "sloth_slo": name}


def _bare(value: str) -> str:
    """Without our own labels: the rule puts Sloth's on."""
    return value if value.startswith("vector") else f"sum({value})"
