"""What the parts of the dashboard share."""

from __future__ import annotations

from typing import Any, Final

from dashboards.promql import Condition, Prom, unless
from lumigate.catalog import HTTP_ROUTE, PROBES
from lumigate.exposition.names import prometheus_label

Q: Final = Prom({"route": HTTP_ROUTE})
EVERYWHERE: Final = Prom()
"""Whatever route is chosen: for what is compared with metrics that know no route."""
SERVED: Final[Condition] = unless(HTTP_ROUTE, *sorted(PROBES))
"""Not probes and scrapes: on a quiet service these are most requests, fast and never failing."""
QUANTILES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
FAILED: Final = ("error", "upstream_error", "truncated")
"""Outcomes that are failures of ours or of a provider."""


def tidy(*keys: str) -> dict[str, Any]:
    """Hide the time and call the columns by what they hold."""
    names = {prometheus_label(key): key for key in keys}
    return {
        "id": "organize",
        "options": {"excludeByName": {"Time": True}, "renameByName": {**names, "Value": "Requests"}},
    }
