"""The telemetry engine without the gateway: the example, and the page that tells how, run as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from local.bundle.imports import imports_of_file
from tests.collector import Collector, attributes
from tests.examples.conftest import ROOT, block, worker
from tests.pyodide.runner import PATIENCE_S, PyodideHost

EXAMPLE = ROOT / "examples" / "telemetry-worker" / "src" / "entry.py"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


def bodies(collector: Collector) -> list[str]:
    with collector.changed:
        return [
            record.body.string_value
            for path, _, message in collector.requests
            if path == "/v1/logs" and isinstance(message, ExportLogsServiceRequest)
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


def counts(collector: Collector, name: str) -> dict[str, int]:
    """The deltas of a counter so far, by its `language`."""
    found: dict[str, int] = {}
    for metric in collector.metrics():
        if metric.name == name:
            for point in metric.sum.data_points:
                language = str(attributes(point).get("language"))
                found[language] = found.get(language, 0) + int(point.as_int or point.as_double)
    return found


def test_the_ten_lines_of_the_page_are_ten_and_give_all_three_signals(
    copied: Path, modules: Path, collector: Collector, tmp_path: Path
) -> None:
    source = block("python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 10
    collector.clear()
    with worker(source, copied, modules, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as host:
        answer = httpx.get(
            f"{host.url}/hello", headers={"traceparent": f"00-{TRACE_ID}-{CALLER}-01"}, timeout=PATIENCE_S
        )
        assert (answer.status_code, answer.text) == (200, "Hello!")
        span = collector.trace(TRACE_ID, with_span="GET")["GET"]
        assert (span.kind, span.parent_span_id.hex()) == (Span.SPAN_KIND_SERVER, CALLER)
        assert attributes(span)["http.response.status_code"] == 200
        assert attributes(span)["url.path"] == "/hello"
        collector.wait_for(lambda c: "Hello was said" in bodies(c))
        collector.wait_for(lambda c: any(m.name == "http.server.request.duration" for m in c.metrics()))
    assert collector.refused == []


def test_the_page_lists_no_file_that_is_not_needed_and_all_that_are(copied: Path) -> None:
    """What the copied files import of the project is among them."""
    have = {
        ".".join(path.relative_to(copied).with_suffix("").parts).removesuffix(".__init__")
        for path in copied.rglob("*.py")
    }
    asked = {
        name
        for path in copied.rglob("*.py")
        for it in imports_of_file(path, root=copied)
        for name in ((it.module,) if it.name is None or f"{it.module}.{it.name}" not in have else ())
        if it.package == "lumigate"
    }
    assert asked <= have
    beside = {name.rpartition(".")[2] for name in have if name.startswith("lumigate.platform.workers.")}
    assert beside == {
        "abort",
        "clock",
        "environ",
        "hang_up",
        "headers",
        "post",
        "secrets_store",
        "telemetry",
        "timeout",
    }


@pytest.fixture(scope="module")
def example(
    copied: Path, modules: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PyodideHost]:
    source = EXAMPLE.read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("example")
    with worker(source, copied, modules, folder, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as host:
        yield host


def test_the_example_tells_its_steps_and_counts_by_language(
    example: PyodideHost, collector: Collector
) -> None:
    collector.clear()
    trace_id = TRACE_ID[:-1] + "7"
    answer = httpx.get(
        f"{example.url}/?language=fr",
        headers={"traceparent": f"00-{trace_id}-{CALLER}-01"},
        timeout=PATIENCE_S,
    )
    assert answer.text == "Bonjour!\n"
    spans = collector.trace(trace_id, with_span="GET")
    assert spans["choose words"].parent_span_id == spans["GET"].span_id
    assert httpx.get(f"{example.url}/?language=xx", timeout=PATIENCE_S).status_code == 404
    # a value outside the closed set is `other`: callers cannot make series
    collector.wait_for(lambda c: counts(c, "example.greetings") == {"fr": 1, "other": 1})
    collector.wait_for(lambda c: {"Bonjour", "No words in 'xx'"} <= set(bodies(c)))


def test_requests_at_once_have_traces_of_their_own(example: PyodideHost, collector: Collector) -> None:
    collector.clear()
    with httpx.Client(base_url=example.url, timeout=PATIENCE_S) as client:
        for number in range(16):
            client.get("/", headers={"traceparent": f"00-{number + 1:032x}-{CALLER}-01"})
    for number in range(16):
        spans = collector.trace(f"{number + 1:032x}", with_span="GET")
        assert set(spans) == {"GET", "choose words"}
        assert spans["choose words"].parent_span_id == spans["GET"].span_id


FAILING = """
from lumigate.platform.workers.telemetry import WorkerTelemetry
from workers import Response, WorkerEntrypoint

telemetry = WorkerTelemetry()

class Default(WorkerEntrypoint):
    @telemetry.handler
    async def fetch(self, request):
        if request.url.endswith("/raise"):
            raise ValueError("out of words")
        return Response("no", status=503)
"""


def test_an_exception_is_told_and_still_the_handlers_own(
    copied: Path, modules: Path, collector: Collector, tmp_path: Path
) -> None:
    collector.clear()
    with worker(FAILING, copied, modules, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as host:
        for path, last in (("/raise", "8"), ("/refuse", "9")):
            trace_id = TRACE_ID[:-1] + last
            answer = httpx.get(
                host.url + path, headers={"traceparent": f"00-{trace_id}-{CALLER}-01"}, timeout=PATIENCE_S
            )
            assert answer.status_code == (500 if path == "/raise" else 503)
            span = collector.trace(trace_id, with_span="GET")["GET"]
            assert span.status.code == Status.STATUS_CODE_ERROR
            assert [event.name for event in span.events] == (["exception"] if path == "/raise" else [])
        host.wait_for_log("out of words")

        def kinds(found: Collector) -> set[str]:
            return {
                str(attributes(point).get("error.type"))
                for metric in found.metrics()
                if metric.name == "http.server.request.duration"
                for point in metric.histogram.data_points
            }

        collector.wait_for(lambda c: "ValueError" in kinds(c))


def test_a_malformed_setting_turns_telemetry_off_and_not_the_worker(
    copied: Path, modules: Path, tmp_path: Path
) -> None:
    with worker(block("python"), copied, modules, tmp_path, OTEL_TRACES_SAMPLER="often") as host:
        assert httpx.get(host.url, timeout=PATIENCE_S).text == "Hello!"
        assert "OTEL_TRACES_SAMPLER" in host.wait_for_log("telemetry_off")
