"""Events over time, step by step, and what the alerts ought to say of them: the oracle of the generated tests.

It counts events in windows of a list. Nothing of it is shared with the rules but the tiers themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from slo.model import Promise
from slo.windows import Severity

STALE: Final = "stale"
type Sample = float | Literal["stale"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Steady traffic: events in each step."""

    steps: int
    good: int = 0
    bad: int = 0


def per_step(segments: Iterable[Segment]) -> list[tuple[int, int]]:
    """Good and bad by step; nothing in step 0, at which every series is seen for the first time."""
    return [(0, 0), *((s.good, s.bad) for s in segments for _ in range(s.steps))]


def burns(promise: Promise, history: Sequence[tuple[int, int]], step: float, severity: Severity) -> bool:
    """Whether the promise burns at the end of the history, by counting."""
    if severity not in promise.severities:
        return False
    for tier in promise.tiers(step):
        if tier.severity != severity:
            continue
        long, short = (history[-round(window / step) :] for window in (tier.long, tier.short))
        bad = sum(one for _, one in long)
        if (
            _ratio(long) > tier.factor * float(promise.budget)
            and _ratio(short) > tier.factor * float(promise.budget)
            and bad >= promise.minimum_bad_events(step)
        ):
            return True
    return False


def first_step(
    promise: Promise,
    history: Sequence[tuple[int, int]],
    step: float,
    severity: Severity,
    *,
    after: int = 0,
    burning: bool = True,
) -> int | None:
    """The first step after `after` at which the alert fires (or, not `burning`, is over)."""
    for at in range(after, len(history)):
        if burns(promise, history[: at + 1], step, severity) is burning:
            return at
    return None


def running_total(rates: Sequence[int]) -> list[Sample]:
    """A counter's samples."""
    total, found = 0, []
    for rate in rates:
        total += rate
        found.append(total)
    return list(found)


def notation(samples: Sequence[Sample]) -> str:
    """Samples as promtool writes them, runs of equal steps as `a+bxn`."""
    parts: list[str] = []
    at = 0
    while at < len(samples):
        value = samples[at]
        if not isinstance(value, int | float):
            parts.append("_" if value is None else STALE)
            at += 1
            continue
        end, slope = at, 0.0
        while end + 1 < len(samples):
            here, following = samples[end], samples[end + 1]
            if not isinstance(here, int | float) or not isinstance(following, int | float):
                break
            if end > at and following - here != slope:
                break
            slope = following - here
            end += 1
        parts.append(f"{value:.15g}" if end == at else f"{value:.15g}{slope:+.15g}x{end - at}")
        at = end + 1
    return " ".join(parts)


def _ratio(history: Sequence[tuple[int, int]]) -> float:
    total = sum(good + bad for good, bad in history)
    return sum(bad for _, bad in history) / total if total else 0.0
