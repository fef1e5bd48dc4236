"""When a burn is worth waking someone: multi-window, multi-burn-rate tiers, and how many failures are evidence.

After the Site Reliability Workbook, chapter 5 (https://sre.google/workbook/alerting-on-slos/): at 30 days a page for
a budget burning 14.4 times too fast over 1 h and 5 m, or 6 times over 6 h and 30 m; a ticket for 3 times over 1 d and
2 h, or 1 time over 3 d and 6 h. For other periods the windows scale with the period and the factors stay, so that a
tier keeps its meaning: the same share of the budget spent (2, 5, 10, 10 %), at the same speed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from slo.durations import DAY, HOUR, MINUTE, promql

type Severity = Literal["page", "ticket"]

REFERENCE_PERIOD: Final = 30 * DAY
FALSE_ALARM: Final = 1e-4
"""How often, at most, a window of a service that just keeps its objective may look like its fastest tier's burn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A speed of burning, seen over a long window and confirmed over a short one. Windows are in seconds."""

    factor: float
    long: float
    short: float
    severity: Severity

    @property
    def long_label(self) -> str:
        return promql(self.long)

    @property
    def short_label(self) -> str:
        return promql(self.short)


_AT_30_DAYS: Final = (
    Tier(factor=14.4, long=HOUR, short=5 * MINUTE, severity="page"),
    Tier(factor=6.0, long=6 * HOUR, short=30 * MINUTE, severity="page"),
    Tier(factor=3.0, long=DAY, short=2 * HOUR, severity="ticket"),
    Tier(factor=1.0, long=3 * DAY, short=6 * HOUR, severity="ticket"),
)
POLICIES: Final[Mapping[str, frozenset[Severity]]] = {
    "page-and-ticket": frozenset({"page", "ticket"}),
    "page-only": frozenset({"page"}),
    "ticket-only": frozenset({"ticket"}),
    "no-alerts": frozenset(),
}
"""What `alertPolicyRef` may name."""


def tiers(period: float, step: float) -> tuple[Tier, ...]:
    """The tiers for a period, in seconds, on a grid of `step` seconds; the fastest first."""
    scale = period / REFERENCE_PERIOD
    return tuple(
        Tier(
            factor=tier.factor,
            long=_on_grid(tier.long * scale, step, least=2),
            short=_on_grid(tier.short * scale, step, least=1),
            severity=tier.severity,
        )
        for tier in _AT_30_DAYS
    )


def reachable(found: tuple[Tier, ...], budget: float) -> tuple[Tier, ...]:
    """The tiers that can fire at all: with a budget of 10 %, even a full outage burns only 10 times too fast."""
    return tuple(tier for tier in found if tier.factor * budget < 1)


def minimum_bad_events(budget: float, found: tuple[Tier, ...]) -> int:
    """How many bad events an alert needs at least: so many that chance is not the explanation.

    The smallest count that a service which just keeps its objective would reach less often than once in 10,000 windows
    (`FALSE_ALARM`), when the window is so quiet that this count alone is the fastest tier's burn. Five at 99.9 %.

    With a budget of a third or more only the tier remains that burns no faster than such a service does half of the
    time, however many events there are: then it is a row of failures that is too long for chance.
    """
    fastest = max(tier.factor for tier in reachable(found, budget))
    if fastest <= 1:
        return math.ceil(math.log(FALSE_ALARM) / math.log(budget))
    count = 1
    while _binomial_tail(math.floor(count / (fastest * budget)), count, budget) > FALSE_ALARM:
        count += 1
    return count


def _binomial_tail(trials: int, at_least: int, probability: float) -> float:
    """P(X >= at_least) of a binomial distribution."""
    if trials < at_least:
        return probability**at_least
    below = (
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(probability)
            + (trials - k) * math.log1p(-probability)
        )
        for k in range(at_least)
    )
    return max(0.0, 1.0 - math.fsum(below))


def _on_grid(seconds: float, step: float, *, least: int) -> float:
    return max(least, round(seconds / step)) * step
