"""Judges the new version by its own requests: against the promises, and against the old version in the same window.

What stops it, each with enough events that chance is no explanation:

- it **burns**: a promise's budget is spent at a page's speed by the new version's own requests;
- it is **worse**: beyond the objective, and at least twice as bad as the old version;
- it is **different**: where there is no objective (refusals, hang-ups), twice as frequent and five points more;
- it is **silent**: it told of less than a quarter of the requests that its share should have brought. A version that
  dies before it can tell is not a good one.

Otherwise too few requests are too little to say. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from local.rollout.gate import Reading
from local.rollout.split import Share
from slo.standing import Gate
from slo.windows import FALSE_ALARM

TIMES_WORSE: Final = 2.0
POINTS_MORE: Final = 0.05
SILENT_PART: Final = 0.25
SILENCE_SECONDS: Final = 600.0
"""Before that, telemetry may still be on its way: an isolate's push, the zero that a shard shows first, a scrape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """Something that requests are counted by. `budget` None: there is no objective, versions are only compared."""

    name: str
    least_bad: int
    budget: float | None = None
    factor: float = math.inf
    """How many times too fast a budget burns at a page's speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of one version, in the window."""

    bad: float = 0.0
    total: float = 0.0

    @property
    def ratio(self) -> float:
        return min(1.0, self.bad / self.total) if self.total > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Of both."""

    new: Counts = Counts()
    old: Counts = Counts()


def assess(
    requests: Pair, found: Mapping[str, Pair], aspects: Sequence[Aspect], share: Share, minimum: int
) -> Reading:
    """`requests.total` counts every request; `found` has the counts of each aspect."""
    faults = [
        fault
        for aspect in aspects
        if (fault := _fault(aspect, found.get(aspect.name, Pair()), minimum)) is not None
    ]
    new, old = requests.new.total, requests.old.total
    expected = old * share.percent / (100 - share.percent) if share.percent < 100 else 0.0
    if share.elapsed_s >= SILENCE_SECONDS and expected >= minimum and new < SILENT_PART * expected:
        faults.append(f"it told of {new:,.0f} requests where about {expected:,.0f} were to be expected")
    if faults:
        return Reading(gate=Gate.BURNING, reason=f"new version: {'; '.join(faults)}")
    if new < minimum:
        return Reading(
            gate=Gate.UNOBSERVED,
            reason=f"new version: {new:,.0f} requests, {minimum:,} are needed to judge it",
        )
    beside = f", {old:,.0f} of the old" if old >= minimum else ", too few of the old to compare with"
    return Reading(gate=Gate.OPEN, reason=f"{new:,.0f} requests of the new version{beside}")


def _fault(aspect: Aspect, pair: Pair, minimum: int) -> str | None:
    new, old = pair.new, pair.old
    if round(new.bad) < aspect.least_bad:
        return None
    told = f"{aspect.name} {new.ratio:.2%} bad of {new.total:,.0f}"
    comparable = old.total >= minimum
    if comparable:
        told += f", {old.ratio:.2%} in the old one"
    if aspect.budget is None:
        more = new.ratio - old.ratio >= POINTS_MORE
        return told if comparable and more and _is_worse(new, old) else None
    burn = new.ratio / aspect.budget
    if burn > aspect.factor or (comparable and burn > 1 and _is_worse(new, old)):
        return f"{told}, {burn:.1f} times the budget"
    return None


def _is_worse(new: Counts, old: Counts) -> bool:
    return new.ratio >= TIMES_WORSE * old.ratio and chance(new, old) <= FALSE_ALARM


def chance(new: Counts, old: Counts) -> float:
    """How likely the new version has as many bad ones, or more, if both are alike: Fisher's exact test, one-sided."""
    bad_new, bad_old = round(new.bad), round(old.bad)
    drawn = max(round(new.total), bad_new)
    everything = drawn + max(round(old.total), bad_old)
    bad = bad_new + bad_old
    if bad_new * everything <= bad * drawn:
        return 1.0  # not even above what is expected; the terms below fall only beyond it
    whole = _log_choose(everything, bad)
    total = 0.0
    for hit in range(bad_new, min(bad, drawn) + 1):
        term = math.exp(_log_choose(drawn, hit) + _log_choose(everything - drawn, bad - hit) - whole)
        total += term
        if term <= 1e-6 * total:  # also where it is too small to be told from 0, and so are all that come
            break
    return min(1.0, total)


def _log_choose(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
