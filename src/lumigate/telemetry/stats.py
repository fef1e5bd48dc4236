"""The engine's state at a glance, for a live view and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One destination's queue of one signal."""

    destination: str
    signal: str
    items: int
    bytes: int
    in_flight: int
    breaker: str
    """`closed`, `half_open` or `open`."""
    exports_ok: int
    exports_failed: int
    exported_items: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryStats:
    """Counts since the isolate began, and what is in memory now."""

    spans_started: int
    spans_kept: int
    spans_sampled_out: int
    spans_unsampled: int
    spans_exported: int
    spans_live: int
    traces_live: int
    traces_kept: Mapping[str, int]
    traces_unfinished: int
    dropped: Mapping[tuple[str, str], int]
    """(signal, reason): items."""
    attributes_dropped: int
    misuse: Mapping[str, int]
    errors: Mapping[str, int]
    queues: tuple[QueueStats, ...]
    flushes: int
    retries: int
    reclaimed: int
    leases_taken_over: int

    @property
    def spans_dropped(self) -> int:
        return sum(count for (signal, _), count in self.dropped.items() if signal == "traces")
