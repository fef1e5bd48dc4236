"""What happened to telemetry, counted: plain integers that outlive requests, read by `stats()` and the self metrics."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Monotonic counts since the isolate began. Keys of the dicts are label values in a fixed order."""

    spans_unsampled: int = 0
    """Spans not recorded because the head sampler said no (one a local root: its children cost nothing)."""
    traces_unfinished: int = 0
    """Traces swept because their local root was never ended."""
    traces_kept: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By reason: error, slow, caller, share, and what the application gave to `keep`."""
    spans_kept: int = 0
    spans_sampled_out: int = 0
    """Spans dropped on purpose, by the decision at the end of their trace."""
    dropped: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """(signal, reason): items lost against intention."""
    attributes_dropped: int = 0
    events_dropped: int = 0
    links_dropped: int = 0
    misuse: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    exported: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """(destination, signal): items a destination accepted."""
    requests: defaultdict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    """(destination, signal, result): exports tried."""
    retries: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    bytes_sent: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    reclaimed: int = 0
    """Batches taken back from a flush owner that died."""
    leases_taken_over: int = 0
    flushes: int = 0
    errors: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Exceptions the engine swallowed, by where; always 0 unless the engine itself has a defect."""

    def drop(self, signal: str, reason: str, count: int = 1) -> None:
        self.dropped[signal, reason] += count
