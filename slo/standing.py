"""How a promise stands: what it attained, how fast its budget burns, what is left, and what the policy says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from slo.durations import MINUTE, promql
from slo.model import Promise
from slo.policy import Policy, Stage
from slo.windows import Severity


class Gate(IntEnum):
    """Exit codes of `lumigate slo status`: 0 goes on, everything else stops a release. 1 is: it could not be read."""

    OPEN = 0
    UNREADABLE = 1
    BLOCKED = 3
    BURNING = 4
    UNOBSERVED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a source knows of a promise. Counts by window in seconds, the period among them.

    `coverage` is the observed part of what could have been observed, `covered` that of the whole period; None: unknown.
    `silent`: nothing has been observed lately, so that no burn there may be would show.
    """

    bad: Mapping[float, float]
    total: Mapping[float, float]
    coverage: float | None = None
    covered: float | None = None
    silent: bool = False
    bad_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The verdict on one promise. Ratios are parts of one, times are seconds."""

    promise: Promise
    bad: float
    total: float
    error: float
    burn: Mapping[float, float]
    spent: float
    exhaustion: float | None
    coverage: float | None
    covered: float | None
    silent: bool
    burning: frozenset[Severity]
    stage: Stage | None
    gate: Gate
    burned_since: float | None

    @property
    def attainment(self) -> float:
        return 1 - self.error

    @property
    def remaining(self) -> float:
        return 1 - self.spent

    def content(self) -> dict[str, Any]:
        """For machines."""
        return {
            "slo": self.promise.name,
            "title": self.promise.title,
            "objective": float(self.promise.target),
            "period_seconds": self.promise.period,
            "attainment": self.attainment,
            "bad_events": self.bad,
            "total_events": self.total,
            "budget_spent": self.spent,
            "budget_remaining": self.remaining,
            "burn_rate": {promql(window): rate for window, rate in sorted(self.burn.items())},
            "time_to_exhaustion_seconds": self.exhaustion,
            "coverage": self.coverage,
            "coverage_of_period": self.covered,
            "silent": self.silent,
            "burning": sorted(self.burning),
            "stage": self.stage.name if self.stage else None,
            "releases": self.stage.releases if self.stage else "open",
            "budget_burned_since": self.burned_since,
            "gate": self.gate.name.lower(),
        }


def standing(promise: Promise, reading: Reading, policy: Policy, step: float = MINUTE) -> Standing:
    """Judge a reading of rules that are evaluated every `step` seconds."""
    budget = float(promise.budget)
    error = _ratio(reading, promise.period)
    burn = {window: _ratio(reading, window) / budget for window in reading.total if window != promise.period}
    bad, total = reading.bad.get(promise.period, 0.0), reading.total.get(promise.period, 0.0)
    spent = error / budget
    enough = bad >= promise.minimum_bad_events(step)
    tiers = promise.tiers(step)
    pace = burn.get(tiers[0].long, 0.0)
    burning = frozenset(
        tier.severity
        for tier in tiers
        if min(burn.get(tier.long, 0.0), burn.get(tier.short, 0.0)) > tier.factor
        and reading.bad.get(tier.long, 0.0) >= promise.minimum_bad_events(step)
    )
    stage = policy.stage(spent) if enough else None
    if stage is not None and stage.releases == "blocked":
        gate = Gate.BLOCKED
    elif "page" in burning & promise.severities:
        gate = Gate.BURNING
    elif reading.silent or (reading.coverage is not None and reading.coverage < policy.gate.minimum_coverage):
        gate = Gate.UNOBSERVED
    else:
        gate = Gate.OPEN
    return Standing(
        promise=promise,
        bad=bad,
        total=total,
        error=error,
        burn=burn,
        spent=spent,
        exhaustion=max(0.0, 1 - spent) * promise.period / pace if pace > 0 else None,
        coverage=reading.coverage,
        covered=reading.covered,
        silent=reading.silent,
        burning=burning,
        stage=stage,
        gate=gate,
        burned_since=(
            None
            if reading.bad_since is None
            else max(0.0, reading.bad_since) / (budget * total)
            if total
            else 0.0
        ),
    )


def overall(standings: list[Standing]) -> Gate:
    """The strictest of all gates: blocked, then burning, then unobserved."""
    order = (Gate.BLOCKED, Gate.BURNING, Gate.UNOBSERVED)
    return next((gate for gate in order if any(s.gate is gate for s in standings)), Gate.OPEN)


def _ratio(reading: Reading, window: float) -> float:
    total = reading.total.get(window, 0.0)
    return min(1.0, max(0.0, reading.bad.get(window, 0.0) / total)) if total > 0 else 0.0
