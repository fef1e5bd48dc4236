"""Models: who answers, how fast, how often not, and for how much, by provider and model."""

from __future__ import annotations

from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.boards.models import calls, glance, resilience, speed, spending
from dashboards.variables import metrics_of, model, provider


def board(limits: Limits) -> Board:
    return Board(
        uid=uids.MODELS,
        title="Models",
        description="Providers and models: requests, errors, time, tokens, cost; fallbacks, retries, breakers, hedges.",
        tags=("models", "llm"),
        variables=[*metrics_of(), provider(), model()],
        annotations=deploys(),
        rows=[
            Row(title="At a glance", panels=[*glance.numbers(limits), glance.side_by_side(limits)]),
            Row(title="Calls", panels=calls.calls(limits)),
            Row(title="When a model does not answer", panels=resilience.panels(limits)),
            Row(title="Time", panels=speed.time(limits)),
            Row(title="Tokens", panels=spending.tokens()),
            Row(title="Money", panels=spending.money(limits)),
            Row(title="Prices", panels=spending.prices(limits)),
        ],
    )
