"""One metric of one schema: its series, how many there may be, and when they are gone."""

from __future__ import annotations

from typing import Final

from lumigate.shard.series import Series, born
from lumigate.shard.settings import ShardSettings
from lumigate.shard.wire import Schema

OVERFLOW_KEY: Final = '{"otel.metric.overflow":true}'
"""https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute"""


class MetricState:
    """The series of one schema.

    An expired series and an absent one are the same thing, whoever asks: sweeping is housekeeping and changes no
    answer. Only so does a shard restored from rows, which never swept, agree with one that did.
    """

    __slots__ = (
        "_oldest_ns",
        "_settings",
        "description",
        "generation",
        "last_ns",
        "schema",
        "scope_version",
        "series",
    )

    def __init__(self, schema: Schema, settings: ShardSettings, generation: int) -> None:
        self.schema = schema
        self.generation = generation
        """0 for the only schema of its name; others beside it get the lowest number that is free."""
        self.description = ""
        self.scope_version = ""
        self.series: dict[str, Series] = {}
        self.last_ns = 0
        self._settings = settings
        self._oldest_ns = 0
        """No series was touched before this: until it is old enough, there is nothing to sweep."""

    def find(self, key: str, birth: int, now_ns: int) -> tuple[Series, bool]:
        """The live series of that attribute set, or the overflow, and whether it was born just now."""
        series = self.series.get(key)
        if series is not None:
            if not series.is_idle(self._settings, now_ns):
                return series, False
            del self.series[key]
        if len(self.series) >= self._settings.series_per_metric - 1 and key != OVERFLOW_KEY:
            self.sweep(now_ns)
            if len(self.series) - (OVERFLOW_KEY in self.series) >= self._settings.series_per_metric - 1:
                return self.find(OVERFLOW_KEY, birth, now_ns)
        series = self.series[key] = born(self.schema, key, birth, now_ns)
        return series, True

    def sweep(self, now_ns: int) -> None:
        """Drop what has expired."""
        idle_ns = self._settings.gauge_idle_ns if self.schema.kind == "gauge" else self._settings.idle_ns
        if now_ns - self._oldest_ns <= idle_ns:
            return
        gone = [key for key, series in self.series.items() if series.is_idle(self._settings, now_ns)]
        for key in gone:
            del self.series[key]
        self._oldest_ns = min((series.last_ns for series in self.series.values()), default=now_ns)
