"""The isolate's deltas on their way to the counter shard.

At every flush the instruments' deltas are sealed into numbered batches and pushed over RPC. What is not acknowledged is
kept (bounded) and sent again under the same number by a later flush, of whatever request; the shard counts each once.
Plain data outlives the requests; the shard's stub comes with each.
"""

from __future__ import annotations

from lumigate.instruments import Instruments
from lumigate.metrics_settings import MetricsSettings
from lumigate.ports import Clock, CounterShard, Entropy, Ports
from lumigate.shard import Outbox, SealedBatch, shard_index, shard_name
from lumigate.shard.unsealing import unsealed
from lumigate.telemetry import Host, Telemetry

PUSH_SECONDS = 10.0
"""A shard that says nothing for so long is asked again by a later flush: work after an answer is cut after 30 s."""


class MetricsCourier:
    """One an isolate."""

    def __init__(
        self,
        telemetry: Telemetry,
        instruments: Instruments,
        settings: MetricsSettings,
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._telemetry = telemetry
        self._instruments = instruments
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._outbox: Outbox | None = None
        self._shard_name = ""

    def host(self, ports: Ports) -> Host:
        """A request's I/O for the telemetry engine, with this delivery as part of every flush."""
        if not self._settings.via_shard:
            return Host(post=ports.post, background=ports.background)

        async def deliver() -> None:
            shard = ports.shard(self._name())
            if shard is None:  # a deployment without the binding: straight out, with the next flush
                self._telemetry.export_metrics(self._telemetry.collect_deltas())
            else:
                await self._deliver(shard, ports)

        return Host(post=ports.post, background=ports.background, on_flush=deliver)

    def _name(self) -> str:
        if self._outbox is None:
            # Made inside a request: there is no entropy before. An isolate keeps its shard for life.
            self._outbox = Outbox(self._entropy.random_bytes(16).hex())
            self._shard_name = shard_name(shard_index(self._outbox.isolate, self._settings.shards))
        return self._shard_name

    async def _deliver(self, shard: CounterShard, ports: Ports) -> None:
        outbox = self._outbox
        assert outbox is not None
        now_ns = self._clock.now_ns()
        if outbox.has_room:
            outbox.seal(self._telemetry.collect_deltas(), now_ns)
        due = outbox.due(now_ns)
        for batch in outbox.take_expired():
            self._count("expired")
            self._give_up(batch)
        for batch in due:
            try:
                async with ports.timeout(PUSH_SECONDS):
                    answer = await shard.push(batch.message())
            except (
                Exception
            ):  # whatever the RPC throws: it may or may not have been stored, so the same batch again
                self._count("unanswered")
                return
            refused = outbox.settle(batch.sequence, answer)
            self._count(str(answer.get("status", "")))
            if answer.get("status") in {"stored", "duplicate"}:
                self._instruments.metric_lag.record((self._clock.now_ns() - batch.sealed_ns) / 1e9, {})
            if refused is not None:
                self._give_up(refused)

    def _give_up(self, batch: SealedBatch) -> None:
        """The shard will not count it: export it straight from here where that is configured, else it is lost."""
        if self._settings.fallback == "otlp":
            self._telemetry.export_metrics(unsealed(batch))

    def _count(self, result: str) -> None:
        self._instruments.metric_batches.add(1, {"lumigate.metrics.result": result})
