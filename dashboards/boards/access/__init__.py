"""Access and safety: who is let in, who is not and why, and whether the keys and limits behind it work."""

from __future__ import annotations

from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.access import checks, glance, limits, safety
from dashboards.boards.limits import Limits
from dashboards.variables import metrics_of, route


def board(promised: Limits) -> Board:
    return Board(
        uid=uids.ACCESS,
        title="Access and safety",
        description="Token checks by result and reason, key sets, rate limits, budgets, personal data, geography.",
        tags=("access", "auth"),
        variables=[*metrics_of(), route()],
        annotations=deploys(),
        rows=[
            Row(title="At a glance", panels=glance.numbers(promised)),
            Row(title="Checks", panels=checks.checks(promised)),
            Row(title="Keys, revocation, scopes", panels=checks.keys()),
            Row(title="Walls and exact limits", panels=limits.limits()),
            Row(title="Budgets", panels=limits.budgets()),
            Row(title="Safety", panels=safety.safety(promised)),
        ],
    )
