"""Models and versions."""

from __future__ import annotations

from dashboards import sql
from dashboards.boards.analytics_engine.queries import CHOSEN, FAILED, UNITS, over_time
from dashboards.boards.onward import TO_MODELS, TO_SERVICE
from dashboards.panels import Sized, table
from dashboards.targets import sql_table


def models() -> list[Sized]:
    return [
        table(
            "Models",
            "Requests by provider and model, cache hits left out. Bad: a model dearer or slower than another that "
            "answers the same name.",
            sql_table(
                sql.query(
                    {
                        "requests": sql.REQUESTS,
                        "failed": sql.share(FAILED),
                        "first_chunk_p95_ms": sql.quantile(
                            0.95, "ttfc_ms", only=f"{sql.column('ttfc_ms')} > 0"
                        ),
                        "p95_ms": sql.quantile(0.95, "upstream_ms"),
                        "attempts_each": sql.mean("attempts"),
                        "tokens_out": sql.total("output_tokens"),
                        "cost": sql.total("cost_usd"),
                    },
                    by=("provider", "model"),
                    where=[*CHOSEN, f"{sql.column('attempts')} > 0"],
                    order="cost DESC",
                    limit=50,
                )
            ),
            units={**UNITS, "first_chunk_p95_ms": "ms", "attempts_each": "short"},
            bars_in={"failed": (0.001, 0.01, False), "attempts_each": (1.05, 1.5, False)},
            width=24,
            links=TO_MODELS,
        ),
        table(
            "Versions",
            "The same figures by version. Bad: the new version fails or lags beside the old one: roll back.",
            sql_table(
                sql.query(
                    {
                        "requests": sql.REQUESTS,
                        "failed": sql.share(FAILED),
                        "p95_ms": sql.quantile(0.95, "duration_ms"),
                        "ours_ms": f"{sql.mean('duration_ms')} - {sql.mean('upstream_ms')}",
                    },
                    by=("version",),
                    where=CHOSEN,
                    order="requests DESC",
                    limit=20,
                )
            ),
            units={**UNITS, "ours_ms": "ms"},
            bars_in={"failed": (0.001, 0.01, False)},
            width=12,
            links=TO_SERVICE,
        ),
        over_time(
            "Answer tokens by model",
            "Tokens in answers by model. Bad: a model nobody should be routed to.",
            "tokens",
            sql.total("output_tokens"),
            "model",
            "short",
        ),
    ]
