"""Cache: how many answers cost nothing, which tier gives them, and what that saves."""

from __future__ import annotations

from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.cache import glance, hits, savings, tiers, upkeep
from dashboards.boards.limits import Limits
from dashboards.variables import metrics_of, route


def board(limits: Limits) -> Board:
    return Board(
        uid=uids.CACHE,
        title="Cache",
        description="Hits by tier and route, latency by tier, what moves up, leaves, is stale or near; what it saves.",
        tags=("cache",),
        variables=[*metrics_of(), route()],
        annotations=deploys(),
        rows=[
            Row(title="At a glance", panels=glance.numbers(limits)),
            Row(title="Hits", panels=hits.hits(limits)),
            Row(title="What is saved", panels=savings.panels()),
            Row(title="Tiers", panels=tiers.tiers(limits)),
            Row(title="Past, waiting, purged", panels=upkeep.panels()),
        ],
    )
