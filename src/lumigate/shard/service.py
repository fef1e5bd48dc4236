"""One counter shard at work: takes batches in, answers scrapes, exports on its alarm.

What the Durable Object and the embedded runtime have in common. Its telemetry engine is an exporter only: the queues,
retries and breakers are those of every isolate, the series are the shard's. All methods but `alarm` are synchronous, so
nothing comes between storing a batch and counting it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lumigate.exposition import Format, families, fragment
from lumigate.shard.readers import Reader
from lumigate.shard.settings import ShardSettings
from lumigate.shard.shard import Shard
from lumigate.shard.store import SqlStore
from lumigate.sql import Execute
from lumigate.telemetry import Host, QueueStats, Telemetry, TelemetryConfig
from lumigate.telemetry.host import Clock, Entropy
from lumigate.telemetry.records import CUMULATIVE


class ShardService:
    """The shard called `name`. Opening it reads its storage, and raises if that cannot be read."""

    def __init__(
        self,
        name: str,
        execute: Execute,
        *,
        settings: ShardSettings,
        telemetry: TelemetryConfig,
        resource: Mapping[str, Any],
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self.name = name
        self._clock = clock
        self._shard = Shard.open(SqlStore(execute), settings)
        self._telemetry = Telemetry(
            replace(telemetry, temporality=CUMULATIVE, exports_own_metrics=False),
            clock=clock,
            entropy=entropy,
            # The one identity of these series, whatever isolate or machine holds the shard.
            resource={**resource, "service.instance.id": name},
        )
        self._exporting = False

    def push(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Store a batch, then count it, once. Raises if it could not be stored: send it again."""
        return self._shard.push(batch, self._clock.now_ns())

    def scrape(self, form: Mapping[str, Any]) -> str:
        """This shard's part of an exposition; `form` holds the fields of `exposition.Format`."""
        collection = self._shard.collect(Reader.SCRAPE, self._clock.now_ns())
        self._shard.shown(collection)
        resource = self._telemetry.resource.attributes
        return fragment(
            families(collection.metrics, Format(**form), instance=self.name, resource=resource),
        )

    @property
    def idle(self) -> bool:
        """Whether there is nothing to export or compact: the alarm need not be set again."""
        return self._shard.series == 0 and self._shard.rows == 0

    async def alarm(self, host: Host) -> None:
        """Export what there is, and make the storage small. One at a time; a second call does nothing."""
        if self._exporting:
            return
        self._exporting = True
        try:
            self._shard.report(self._clock.now_ns())
            collection = self._shard.collect(Reader.PUSH, self._clock.now_ns())
            before = _deliveries(self._telemetry)
            self._telemetry.export_metrics(collection.metrics)
            await self._telemetry.flush(host)
            after = _deliveries(self._telemetry)
            if any(
                each.exports_ok > before[name].exports_ok and not each.items for name, each in after.items()
            ):
                self._shard.shown(collection)
            self._shard.compact()
        finally:
            self._exporting = False


def _deliveries(telemetry: Telemetry) -> dict[str, QueueStats]:
    """By destination: one has been shown everything when its queue is empty, and it took some of it."""
    return {queue.destination: queue for queue in telemetry.stats().queues if queue.signal == "metrics"}
