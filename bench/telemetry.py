"""What telemetry costs: Lumigate's engine against OpenTelemetry's SDK with its official encoders.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide. The bars are those that the project holds itself
to: several times cheaper in wasm, where it matters, and natively never slower.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

from bench.contest import Contest, Row
from bench.ours import Engine
from bench.rivals import Sdk
from bench.workload import (
    Request,
    measurement,
    record_metrics,
    recorders,
    requests,
    trace_request,
)
from lumigate.telemetry.consistent import threshold_of
from lumigate.telemetry.sampling import HeadSampler

IN_PYODIDE = sys.platform == "emscripten"
REQUESTS_PER_ROUND = 64
"""As many share an export: a second's worth at a modest rate."""
SPANS_PER_ROUND = sum(len(request.spans) for request in requests(REQUESTS_PER_ROUND))
RECORDS_PER_ROUND = 500
PROTOBUF_REQUESTS_PER_ROUND = 8
"""Fewer, since the rival takes half a millisecond for a span."""
BUFFERED_SPANS = 2_000
MAX_BUFFERED_MB = 3.0


def measure(rounds: int = 21) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    found: list[dict[str, object]] = []
    for contest in _contests():
        print(f"… {contest.what}", file=sys.stderr)
        found.append(contest.run(rounds).as_json())
    print("… memory", file=sys.stderr)
    found.append(_buffered_spans().as_json())
    return found


def _contests() -> Iterator[Contest[Any]]:
    engine, sdk = _Side(Engine()), _Side(Sdk())
    _check_that_both_do_the_work(engine, sdk)
    yield Contest(
        what="span with 8 attributes, start to OTLP/JSON",
        workload=lambda: requests(REQUESTS_PER_ROUND),
        count=SPANS_PER_ROUND,
        ours=engine.spans_to_json,
        rival=sdk.spans_to_json,
        bar=_bar(6),
    )
    yield Contest(
        what="span with 8 attributes, start to OTLP/protobuf",
        workload=lambda: requests(PROTOBUF_REQUESTS_PER_ROUND),
        count=SPANS_PER_ROUND * PROTOBUF_REQUESTS_PER_ROUND // REQUESTS_PER_ROUND,
        ours=engine.spans_to_protobuf,
        rival=sdk.spans_to_protobuf,
        bar=_bar(25),
    )
    yield Contest(
        what="histogram record with 3 attributes",
        workload=lambda: [measurement() for _ in range(RECORDS_PER_ROUND)],
        count=RECORDS_PER_ROUND,
        ours=engine.record,
        rival=sdk.record,
        bar=_bar(5),
    )
    yield Contest(
        what="a request's whole telemetry, to OTLP/JSON",
        workload=lambda: requests(REQUESTS_PER_ROUND),
        count=REQUESTS_PER_ROUND,
        ours=engine.whole_requests,
        rival=sdk.whole_requests,
        bar=_bar(6),
    )
    yield Contest(
        what="the same, its wide event a log record too",
        workload=lambda: requests(REQUESTS_PER_ROUND),
        count=REQUESTS_PER_ROUND,
        ours=engine.logged_requests,
        rival=sdk.logged_requests,
        # the SDK's logs are the cheapest part of it
        bar=_bar(5),
    )
    # not `always_off`, which would be cheaper still: an unsampled request is watched for errors, and pays for that
    unsampled = _Side(Engine(HeadSampler(threshold_of(1e-9))))
    yield Contest(
        what="an unsampled request, against a sampled one",
        workload=lambda: requests(REQUESTS_PER_ROUND),
        count=REQUESTS_PER_ROUND,
        ours=unsampled.whole_requests,
        rival=engine.whole_requests,
        bar=_bar(3),
    )


def _check_that_both_do_the_work(engine: _Side, sdk: _Side) -> None:
    """Raise where the two have not exported as many spans and points with as many attributes: a bench can err."""
    work = requests(2)
    ours, theirs = (
        [
            {
                name: payload.count(name)
                for name in (b"parentSpanId", b"timeUnixNano", b"intValue", b"stringValue")
            }
            for payload in side.logged_requests(work)
        ]
        for side in (engine, sdk)
    )
    if ours != theirs:
        raise RuntimeError(f"ours exported {ours}, the rival {theirs}")


def _bar(in_pyodide: float) -> float:
    return in_pyodide if IN_PYODIDE else 1.0


class _Side:
    """One of the two, and the things both do. The code is the same: both implement OpenTelemetry's API."""

    def __init__(self, side: Engine | Sdk) -> None:
        self._side = side
        self._recorders = recorders(side.instrument)

    def spans_to_json(self, work: list[Request]) -> bytes:
        for request in work:
            trace_request(self._side.tracer, request)
        return self._side.spans_as_json()

    def spans_to_protobuf(self, work: list[Request]) -> bytes:
        for request in work:
            trace_request(self._side.tracer, request)
        return self._side.spans_as_protobuf()

    def record(self, work: list[tuple[float, dict[str, Any]]]) -> None:
        record = self._recorders[0]
        for amount, attributes in work:
            record(amount, attributes)

    def whole_requests(self, work: list[Request]) -> tuple[bytes, bytes]:
        """Spans, metrics, point and event of each request; then one export of the two signals for all of them."""
        for request in work:
            trace_request(self._side.tracer, request)
            record_metrics(self._recorders, request)
            self._side.write_point_and_event(request.event)
        return self._side.spans_as_json(), self._side.metrics_as_json()

    def logged_requests(self, work: list[Request]) -> tuple[bytes, bytes, bytes]:
        """The same, with each event a log record too, and three signals."""
        for request in work:
            root = trace_request(self._side.tracer, request)
            record_metrics(self._recorders, request)
            self._side.write_point_and_event(request.event)
            self._side.log_event(request.event, root)
        return self._side.spans_as_json(), self._side.metrics_as_json(), self._side.logs_as_json()


def _buffered_spans() -> Row:
    """The memory that spans in the queue hold, their attributes' own texts and numbers included."""
    engine = Engine()
    trace_request(engine.tracer, Request())
    engine.take_spans()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    while engine.queue.items < BUFFERED_SPANS:
        trace_request(engine.tracer, Request())
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return Row(
        what="memory of 2,000 buffered spans with 8 attributes",
        ours_us=None,
        rival_us=None,
        ratio=held / 1e6,
        bar=MAX_BUFFERED_MB,
        at_most=True,
        unit="MB",
    )
