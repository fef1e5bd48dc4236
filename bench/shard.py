"""What the counter shard costs: a batch, its state's size, its return from eviction, a scrape.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide. Series have the catalog's mix: one in four is a
histogram of fourteen buckets. Storage is left out, a list in its place: what is measured is the shard's own work.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

from bench.contest import Row
from lumigate.exposition import OPEN_METRICS, exposition, families, fragment
from lumigate.shard import Outbox, Reader, Shard, ShardSettings
from lumigate.telemetry.records import DELTA, Exemplar, HistogramPoint, MetricData, NumberPoint, Scope

IN_PYODIDE = sys.platform == "emscripten"
SERIES = 10_000
BATCH_SERIES = 60
ISOLATES = 1_000
NOW_NS = 1_800_000_000_000_000_000
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
MAX_RESTORE_MS = 200.0
_SCOPE = Scope("bench", "1.0.0")


def measure(rounds: int = 15) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    return [row.as_json() for row in _rows(rounds)]


def _rows(rounds: int) -> list[Row]:
    batches = [_batch(f"isolate-{n}", n) for n in range(rounds + 1)]
    shard = _full_shard()
    push_us = _median_us([lambda b=b: shard.push(b, NOW_NS) for b in batches])  # type: ignore[misc]
    seal_us = _median_us([lambda: _batch("isolate", 0)] * (rounds + 1))

    store = _Memory()
    _full_shard(store).compact()
    size_mb = sum(map(len, store.chunks)) / 1e6
    restore_ms = _median_us([lambda: Shard.open(store, _SETTINGS)] * (rounds + 1)) / 1e3
    compact_ms = _median_us([_compaction(_full_shard()) for _ in range(4)]) / 1e3
    restored = Shard.open(store, _SETTINGS)
    scrape_ms = _median_us([lambda: _scrape(restored)] * (rounds // 3 + 1)) / 1e3
    return [
        _row(f"merging a batch of {BATCH_SERIES} series", push_us / 1e3, 10, "ms"),
        _row(
            f"batches of {BATCH_SERIES} series merged in a second", 1e6 / push_us, 200, "1/s", at_most=False
        ),
        _row(f"sealing a batch of {BATCH_SERIES} series, in the isolate", seal_us / 1e3, 10, "ms"),
        _row(f"snapshot of {SERIES:,} series and {ISOLATES:,} isolates", size_mb, 4, "MB"),
        _row(f"restore of {SERIES:,} series", restore_ms, MAX_RESTORE_MS, "ms"),
        _row(f"compaction of {SERIES:,} series", compact_ms, 500, "ms"),
        _row(f"scrape of {SERIES:,} series, OpenMetrics", scrape_ms, 1_000, "ms"),
    ]


def _row(what: str, value: float, bar: float, unit: str, *, at_most: bool = True) -> Row:
    print(f"… {what}", file=sys.stderr)
    return Row(what=what, ours_us=None, rival_us=None, ratio=value, bar=bar, at_most=at_most, unit=unit)


def _median_us(runs: Sequence[Callable[[], object]]) -> float:
    """The median of all but the first, which warms caches."""
    times: list[float] = []
    for run in runs:
        gc.collect()
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return median(times[1:]) * 1e6


class _Memory:
    """A store that keeps the newest snapshot and forgets rows."""

    def __init__(self) -> None:
        self.chunks: list[str] = []

    def load(self) -> tuple[list[str], list[tuple[int, str]]]:
        return self.chunks, []

    def append(self, number: int, body: str) -> None:
        pass

    def replace_snapshot(self, position: int, chunks: Sequence[str]) -> None:
        self.chunks = list(chunks)


_SETTINGS = ShardSettings(scrape_hold_ns=0, series_per_metric=SERIES)


def _full_shard(store: _Memory | None = None) -> Shard:
    """A shard that holds `SERIES` series, all shown, and remembers `ISOLATES` isolates."""
    shard = Shard.open(store or _Memory(), _SETTINGS)
    for n in range(ISOLATES):
        per_isolate = SERIES // ISOLATES
        metrics = _metrics(range(n * per_isolate, (n + 1) * per_isolate), exemplars=False)
        outbox = Outbox(f"{n:032x}")
        outbox.seal(metrics, NOW_NS)
        for batch in outbox.due(NOW_NS):
            shard.push(batch.message(), NOW_NS)
    shard.shown(shard.collect(Reader.SCRAPE, NOW_NS))
    return shard


def _batch(isolate: str, offset: int) -> dict[str, str]:
    outbox = Outbox(isolate)
    outbox.seal(_metrics(range(offset, offset + BATCH_SERIES), exemplars=True), NOW_NS)
    (batch,) = outbox.due(NOW_NS)
    return batch.message()


def _metrics(numbers: range, *, exemplars: bool) -> list[MetricData]:
    exemplar = Exemplar(value=0.06, time_ns=NOW_NS, trace_id=1 << 100, span_id=1 << 50)
    histograms = [
        HistogramPoint(
            attributes=_attributes(n),
            start_ns=0,
            time_ns=NOW_NS,
            count=12,
            sum=1.2345,
            bounds=BOUNDS,
            bucket_counts=[0, 0, 1, 2, 3, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0],
            exemplars=(exemplar,) if exemplars else (),
        )
        for n in numbers
        if n % 4 == 0
    ]
    counters = [
        NumberPoint(attributes=_attributes(n), start_ns=0, time_ns=NOW_NS, value=n) for n in numbers if n % 4
    ]
    made = [_metric("bench.duration", "s", "histogram", histograms)] if histograms else []
    return [*made, _metric("bench.requests", "{request}", "sum", counters)]


def _metric(
    name: str, unit: str, kind: str, points: Sequence[NumberPoint] | Sequence[HistogramPoint]
) -> MetricData:
    return MetricData(
        scope=_SCOPE,
        name=name,
        unit=unit,
        description="A metric of the benchmark.",
        kind="histogram" if kind == "histogram" else "sum",
        points=points,
        temporality=DELTA,
        monotonic=kind == "sum",
    )


def _attributes(n: int) -> dict[str, str | int]:
    return {
        "gen_ai.provider.name": f"provider-{n % 7}",
        "gen_ai.request.model": f"model-{n}",
        "http.response.status_code": 200 + n % 5,
        "http.route": "/v1/chat/completions",
    }


def _compaction(shard: Shard) -> Callable[[], None]:
    return shard.compact


def _scrape(shard: Shard) -> str:
    collection = shard.collect(Reader.SCRAPE, NOW_NS)
    text = fragment(families(collection.metrics, OPEN_METRICS, instance="shard-0"))
    return exposition([text], OPEN_METRICS)
