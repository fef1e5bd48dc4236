"""What went wrong: errors, denials and the slowest requests, with their traces."""

from __future__ import annotations

from dashboards import sql
from dashboards.boards.analytics_engine.queries import CHOSEN, TENANT, TRACE, UNITS
from dashboards.boards.onward import TO_ACCESS, TO_EXPLORE
from dashboards.panels import Sized, table
from dashboards.targets import sql_table


def wrong() -> list[Sized]:
    return [
        table(
            "Errors by code and tenant",
            "Error codes, and whose they are. Bad: one code over many tenants is ours or a provider's; many codes of "
            "one tenant are its own.",
            sql_table(
                sql.query(
                    {"requests": sql.REQUESTS, "last_trace": f"argMax({sql.column('trace_id')}, timestamp)"},
                    by=("error_code", "tenant"),
                    where=[*CHOSEN, f"{sql.column('error_code')} != ''"],
                    order="requests DESC",
                    limit=50,
                )
            ),
            units=UNITS,
            links_in={"last_trace": TRACE},
            width=12,
            links=TO_EXPLORE,
        ),
        table(
            "Denials by reason and country",
            "Callers that were not let in. Bad: one country tries many reasons: somebody tries keys.",
            sql_table(
                sql.query(
                    {"requests": sql.REQUESTS},
                    by=("auth_reason", "country"),
                    where=[CHOSEN[0], f"{sql.column('auth_reason')} NOT IN ('ok', '')"],
                    order="requests DESC",
                    limit=50,
                )
            ),
            units=UNITS,
            width=12,
            links=TO_ACCESS,
        ),
        table(
            "Slowest requests",
            "Single requests with their traces. Bad: the same provider, tenant or route all the way down.",
            sql_table(
                sql.checked(
                    "SELECT\n  timestamp,\n"
                    + ",\n".join(
                        f"  {sql.column(name)} AS {name}"
                        for name in (
                            "trace_id",
                            "tenant",
                            "route",
                            "provider",
                            "model",
                            "outcome",
                            "duration_ms",
                            "upstream_ms",
                        )
                    )
                    + "\nFROM ${dataset}\nWHERE $timeFilter\n  AND "
                    + "\n  AND ".join(CHOSEN)
                    + f"\nORDER BY {sql.column('duration_ms')} DESC\nLIMIT 30"
                )
            ),
            units={"duration_ms": "ms", "upstream_ms": "ms"},
            links_in={"trace_id": TRACE, "tenant": TENANT},
            links=TO_EXPLORE,
        ),
    ]
