"""Which of several candidates to ask first: pure arithmetic over latency, cost and quality.

Each criterion is a share of the best there is among the candidates, between 0 and 1, so that the weights mean the same
for every alias. What nobody has measured yet counts for a little more than the best, so that it is asked, and measured:
otherwise the first to be asked would be asked for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lumigate.model_table import RoutingWeights

UNMEASURED = 1.05


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one candidate. `cost_usd` is what this request would cost there, None without prices."""

    latency_ms: float | None
    cost_usd: float | None
    quality: float


def rank(standings: Sequence[Standing], weights: RoutingWeights) -> list[tuple[int, float]]:
    """Positions with their scores, best first; equals keep the order of the table."""
    fastest = min((s.latency_ms for s in standings if s.latency_ms is not None), default=0.0)
    cheapest = min((s.cost_usd for s in standings if s.cost_usd is not None), default=0.0)
    finest = max((s.quality for s in standings), default=0.0)
    scores = []
    for position, standing in enumerate(standings):
        score = (
            weights.latency
            * (UNMEASURED if standing.latency_ms is None else _share(fastest, standing.latency_ms))
            + weights.cost * _share(cheapest, standing.cost_usd)
            + weights.quality * (standing.quality / finest if finest > 0 else 1.0)
        )
        scores.append((position, score))
    return sorted(scores, key=lambda item: -item[1])


def _share(best: float, value: float | None) -> float:
    """1 for the best, half for twice as much."""
    if value is None or value <= best:
        return 1.0
    return best / value
