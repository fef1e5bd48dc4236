"""Telemetry health: whether what the other dashboards say can be believed."""

from __future__ import annotations

from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.boards.telemetry import engine, exports, glance, shards
from dashboards.variables import metrics_of


def board(limits: Limits) -> Board:
    return Board(
        uid=uids.TELEMETRY,
        title="Telemetry health",
        description="Queue, drops, exports, retries, breakers, flush time, the counter shard, heartbeat.",
        tags=("telemetry",),
        variables=metrics_of(),
        annotations=deploys(),
        rows=[
            Row(title="Can this be believed?", panels=glance.numbers(limits)),
            Row(title="Out of the isolates", panels=[*exports.queues(limits), *exports.exports()]),
            Row(title="Traces", panels=engine.traces()),
            Row(title="The counter shard", panels=shards.shard(limits)),
            Row(title="Defects", panels=engine.defects()),
        ],
    )
