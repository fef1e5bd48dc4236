"""The bounds of a counter shard: how long it remembers, how much it holds, how long a birth shows zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSettings:
    """All of it has a bound; the defaults suit a scrape or an export every 15 to 60 seconds."""

    scrape_hold_ns: int = MINUTE_NS
    """How long scrapes go on showing zero after the first that showed a series. Longer than the longest interval of
    any scraper, so that each of several sees the zero, and one lost answer does not matter."""

    idle_ns: int = 6 * HOUR_NS
    """A counter or histogram nobody added to for so long is gone; if it comes back, it starts at zero."""
    gauge_idle_ns: int = 15 * MINUTE_NS
    """A gauge nobody set for so long is gone: an old level misinforms."""

    isolate_idle_ns: int = HOUR_NS
    """An isolate silent for so long is forgotten. Longer than `outbox.LIFETIME_NS`: no retry is refused for it."""
    clock_skew_ns: int = 5 * MINUTE_NS
    """By how much the clocks of an isolate and the shard may differ."""
    max_isolates: int = 20_000
    """Beyond this the one silent for longest is forgotten early."""

    compact_rows: int = 300
    """So many rows make a snapshot without waiting for the alarm: each costs 0.4 ms when the shard comes back."""

    series_per_metric: int = 2_000
    """Beyond this, new attribute sets share the series marked `otel.metric.overflow`."""
    max_metrics: int = 500
    """Metrics beyond this are dropped and counted."""
