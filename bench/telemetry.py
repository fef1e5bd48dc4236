"""What telemetry costs: Lumigate's engine against OpenTelemetry's SDK with its official encoders.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide. The bars are those that the project holds itself
to: several times cheaper in wasm, where it matters, and natively never slower.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Iterator

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from bench.contest import Contest, Row
from bench.ours import Engine
from bench.rivals import Sdk
from bench.workload import (
    SPANS_PER_REQUEST,
    Attributes,
    metric_attributes,
    requests,
    trace_request,
    wide_event,
)
from lumigate.telemetry.consistent import NEVER
from lumigate.telemetry.sampling import HeadSampler
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric

IN_PYODIDE = sys.platform == "emscripten"
REQUESTS_PER_ROUND = 8
BUFFERED_SPANS = 2_000
MAX_BUFFERED_MB = 3.0

DURATION = Metric(
    name="bench.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Duration of a request.",
    attributes=(
        Attribute(key="http.route", description="Route."),
        Attribute(key="http.response.status_code", description="Status.", type=int),
        Attribute(key="gen_ai.request.model", description="Model."),
    ),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
)


def measure(rounds: int = 15) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    found: list[dict[str, object]] = []
    for contest in _contests():
        print(f"… {contest.what}", file=sys.stderr)
        found.append(contest.run(rounds).as_json())
    found.append(_memory().as_json())
    return found


def _bar(in_pyodide: float) -> float:
    return in_pyodide if IN_PYODIDE else 1.0


def _contests() -> Iterator[Contest[list[list[Attributes]]]]:
    engine, sdk = Engine(), Sdk()

    def trace(side: Engine | Sdk, work: list[list[Attributes]]) -> None:
        for attributes in work:
            trace_request(side.tracer, attributes)

    def to_json(side: Engine | Sdk, work: list[list[Attributes]]) -> bytes:
        trace(side, work)
        return side.spans_as_json()

    def to_protobuf(side: Engine | Sdk, work: list[list[Attributes]]) -> bytes:
        trace(side, work)
        return side.spans_as_protobuf()

    def some_requests() -> list[list[Attributes]]:
        return requests(REQUESTS_PER_ROUND)

    yield Contest(
        what="span with 8 attributes, to OTLP/JSON",
        workload=some_requests,
        count=REQUESTS_PER_ROUND * SPANS_PER_REQUEST,
        ours=lambda work: to_json(engine, work),
        rival=lambda work: to_json(sdk, work),
        bar=_bar(6),
    )
    yield Contest(
        what="span with 8 attributes, to OTLP/protobuf",
        workload=some_requests,
        count=REQUESTS_PER_ROUND * SPANS_PER_REQUEST,
        ours=lambda work: to_protobuf(engine, work),
        rival=lambda work: to_protobuf(sdk, work),
        bar=_bar(25),
    )
