"""What the parts of the dashboard share: its queries, and the labels of a queue."""

from __future__ import annotations

from typing import Final

from dashboards.promql import Prom, attribute_of
from lumigate.telemetry import self_metrics as own

Q: Final = Prom()
QUEUE: Final = tuple(attribute_of(own.EXPORT_REQUESTS, key) for key in ("destination", "signal"))
"""One queue, one breaker a destination and signal."""
RESULT: Final = attribute_of(own.EXPORT_REQUESTS, "result")
