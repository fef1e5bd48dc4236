"""A sealed batch as deltas again, for whoever exports it another way because the shard refused it for good."""

from __future__ import annotations

import json

from lumigate.shard.outbox import SealedBatch
from lumigate.telemetry.records import DELTA, HistogramPoint, MetricData, NumberPoint, Scope


def unsealed(batch: SealedBatch) -> list[MetricData]:
    """The batch's metrics, without exemplars. The wire carries no start times: each delta ends at the sealing."""
    content = json.loads(batch.text)
    found: list[MetricData] = []
    for schema, description, scope_version, points in content["metrics"]:
        name, unit, kind, monotonic, bounds, scope_name = json.loads(schema)
        made: list[NumberPoint | HistogramPoint] = []
        for attributes, value, *rest in points:
            labels = json.loads(attributes)
            start_ns, time_ns = batch.sealed_ns - 1, batch.sealed_ns
            if kind == "histogram":
                made.append(
                    HistogramPoint(
                        attributes=labels,
                        start_ns=start_ns,
                        time_ns=time_ns,
                        count=sum(rest[0]),
                        sum=value,
                        bounds=bounds,
                        bucket_counts=rest[0],
                    )
                )
            else:
                moment = rest[0] if kind == "gauge" else time_ns
                made.append(NumberPoint(attributes=labels, start_ns=start_ns, time_ns=moment, value=value))
        found.append(
            MetricData(
                scope=Scope(scope_name, scope_version),
                name=name,
                unit=unit,
                description=description,
                kind=kind,
                points=made,
                temporality=DELTA,
                monotonic=monotonic,
            )
        )
    return found
