"""Series by version do not pile up: a version that serves nobody is forgotten, a version that serves is not."""

from __future__ import annotations

from typing import Any

from lumigate import catalog
from lumigate.shard import Outbox, ShardSettings
from tests.shard.deltas import HOUR, MINUTE, START, EvictableShard, counter, sealed, value

NAME = catalog.VERSION_OUTCOMES.name
IDLE_HOURS = ShardSettings().idle_ns // HOUR


def test_of_many_deployments_only_the_versions_of_the_last_hours_are_held(held: EvictableShard) -> None:
    outbox, now_ns = Outbox("isolate"), START
    most = 0
    for hour in range(100):
        version = f"version-{hour // 2}"  # a deployment every other hour, day and night
        for _ in range(4):
            now_ns += 15 * MINUTE
            for outcome in ("complete", "error"):
                labels: dict[str, Any] = {catalog.VERSION.key: version, catalog.OUTCOME.key: outcome}
                one = counter(1, NAME, **labels)
                held.push(sealed(outbox, now_ns, one), now_ns)
                outbox.settle(outbox.due(now_ns)[-1].sequence, {"status": "stored"})
        held.scrape(now_ns)
        most = max(most, held.shard.series)
        if hour % 10 == 0:
            held.shard.compact()
            held.evict()
    assert most <= 2 * (IDLE_HOURS // 2 + 2)
    kept = held.scrape(now_ns + 2 * MINUTE)
    labels = {catalog.OUTCOME.key: "complete", catalog.VERSION.key: "version-49"}
    assert value(kept, NAME, **labels) == 8
    assert value(kept, NAME, **{**labels, catalog.VERSION.key: "version-40"}) is None
