"""A client that hangs up on a Worker with the telemetry engine and without the gateway."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import httpx

from tests.collector import Collector, attributes
from tests.examples.conftest import worker
from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.upstream import Upstream

CALLER = "00f067aa0ba902b7"
WAITING = """
import js
from lumigate.platform.workers.telemetry import WorkerTelemetry
from workers import Response, WorkerEntrypoint, fetch

telemetry = WorkerTelemetry()

class Default(WorkerEntrypoint):
    @telemetry.handler
    async def fetch(self, request):
        js.console.log("began " + request.headers["traceparent"])
        match request.url.rpartition("/")[2]:
            case "body":
                await request.text()
            case "upstream":
                await fetch(self.env.UPSTREAM)
            case "raise":
                raise ValueError("out of words")
        return Response("stayed")
"""


def leave(host: PyodideHost, path: str, number: int) -> str:
    """Hang up on a handler that waits for what does not come; the trace it is told in."""
    trace_id = f"{number:032x}"
    parent = f"00-{trace_id}-{CALLER}-01"
    head = f"POST /{path} HTTP/1.1\r\nhost: w\r\ntraceparent: {parent}\r\ncontent-length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", host.ready["port"])) as connection:
        connection.sendall(head.encode() + b"only a part")
        host.wait_for_log(f"began {parent}")
    return trace_id


def left(collector: Collector) -> int:
    """How many requests the metric counts as left."""
    return sum(
        point.count
        for metric in collector.metrics()
        if metric.name == "http.server.request.duration"
        for point in metric.histogram.data_points
        if attributes(point).get("error.type") == "client_abort"
    )


def test_a_client_that_left_is_told_once_and_leaves_nothing_behind(
    copied: Path, modules: Path, collector: Collector, tmp_path: Path
) -> None:
    """Nothing but a cancellation ever wakes its handler, and the interpreter keeps what is not woken."""
    collector.clear()
    told: set[str] = set()
    known = 0
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRIC_EXPORT_INTERVAL": "20"}
    with (
        Upstream() as upstream,
        worker(WAITING, copied, modules, tmp_path, UPSTREAM=f"{upstream.url}/gate", **variables) as host,
    ):
        for _ in range(3):
            for path in ("body", "upstream", "body", "upstream"):
                told.add(leave(host, path, len(told) + 1))
            for path, status in (("stay", 200), ("raise", 500)):
                answer = httpx.get(f"{host.url}/{path}", headers={"traceparent": "none"}, timeout=PATIENCE_S)
                assert answer.status_code == status
            assert host.unfinished_tasks() == []
            known = known or host.live_proxies()
        collector.wait_for(lambda c: {span.trace_id.hex() for span in c.spans()} >= told)
        httpx.get(f"{host.url}/stay", headers={"traceparent": "none"}, timeout=PATIENCE_S)
        collector.wait_for(lambda c: left(c) >= len(told))
        assert host.unfinished_tasks() == []
        assert host.proxies_left(known) <= known
        upstream.gate.set()
    spans = [span for span in collector.spans() if span.trace_id.hex() in told]
    assert Counter(span.trace_id.hex() for span in spans) == Counter(told)
    outcomes = {(attributes(it)["http.response.status_code"], attributes(it)["error.type"]) for it in spans}
    assert outcomes == {(499, "client_abort")}
    assert left(collector) == len(told)
    assert [line for line in host.logs(level="error") if "out of words" not in line] == []


GIVEN = """
import js
from lumigate.platform.workers.telemetry import WorkerTelemetry
from pyodide.ffi import jsnull, to_js
from workers import Response, WorkerEntrypoint

telemetry = WorkerTelemetry()

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        gone = js.AbortSignal.abort(js.Error.new("gone")) if request.url.endswith("/gone") else jsnull
        raw = request.js_object
        given = {"method": raw.method, "url": raw.url, "headers": raw.headers, "signal": gone}
        return await self.served(to_js(given, dict_converter=js.Object.fromEntries))

    @telemetry.handler
    async def served(self, request):
        js.console.log("served " + request.url)
        return Response("stayed")
"""


def test_a_request_without_a_signal_is_served_and_one_whose_client_is_gone_is_not(
    copied: Path, modules: Path, collector: Collector, tmp_path: Path
) -> None:
    collector.clear()
    with worker(GIVEN, copied, modules, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as host:
        for number, (path, status) in enumerate({"none": 200, "gone": 499}.items(), 1):
            headers = {"traceparent": f"00-{number:032x}-{CALLER}-01"}
            answer = httpx.get(f"{host.url}/{path}", headers=headers, timeout=PATIENCE_S)
            span = collector.trace(f"{number:032x}", with_span="GET")["GET"]
            assert answer.status_code == attributes(span)["http.response.status_code"] == status
        assert host.unfinished_tasks() == []
        assert [line.rpartition("/")[2] for line in host.logs() if line.startswith("served")] == ["none"]
