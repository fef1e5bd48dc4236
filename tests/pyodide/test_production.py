"""The Worker as deployed, on the Pyodide host: what the black-box suite cannot see from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.mocks.issuer import ISSUER
from lumigate import __version__
from tests.collector import Collector, attributes, running_collector
from tests.pyodide.production import ROOT, declared_bindings, production_host
from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.stored_secrets import eventually

VARIABLES: dict[str, Any] = {
    "JWT_ISSUER": ISSUER,
    "API_KEYS": "acme:" + "0" * 64,
    "OTEL_BSP_SCHEDULE_DELAY": "20",
    "METRICS_EXPORT_SECONDS": "0.3",
    # what the binding version_metadata is on Workers: a plain object
    "VERSION_METADATA": {"id": "22222222-2222-2222-2222-222222222222", "tag": "abc123", "timestamp": ""},
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def host(collector: Collector) -> Iterator[PyodideHost]:
    with production_host({**VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as running:
        yield running


def metric_names(collector: Collector) -> set[str]:
    return {metric.name for metric in collector.metrics()}


def test_the_cron_trigger_beats_through_the_whole_path(host: PyodideHost, collector: Collector) -> None:
    host.control("scheduled", cron="* * * * *")
    collector.wait_for(lambda c: "lumigate.heartbeat" in metric_names(c))
    event = json.loads(host.wait_for_log('"event":"cron"'))
    assert event["environment"] == "development"


def test_every_span_tells_which_deployment_it_is_of(host: PyodideHost, collector: Collector) -> None:
    answer = httpx.get(f"{host.url}/health", timeout=PATIENCE_S)
    trace_id = answer.headers["traceresponse"].split("-")[1]
    collector.trace(trace_id)
    with collector.changed:
        exports = [message for path, _, message in collector.requests if path == "/v1/traces"]
    resources = [
        each.resource
        for message in exports
        for each in message.resource_spans  # type: ignore[attr-defined]
        if any(span.trace_id.hex() == trace_id for scope in each.scope_spans for span in scope.spans)
    ]
    assert resources
    wanted = f"{__version__}+22222222-2222-2222-2222-222222222222"
    assert {attributes(resource)["service.version"] for resource in resources} == {wanted}


def test_requests_are_counted_by_the_deployment_that_served_them(
    host: PyodideHost, collector: Collector
) -> None:
    """By its id alone, as wrangler and the rollout name it."""
    assert httpx.get(f"{host.url}/v1/models", timeout=PATIENCE_S).status_code == 401

    def versions(found: Collector) -> set[str]:
        return {
            attributes(point)["faas.version"]
            for metric in found.metrics()
            if metric.name == "lumigate.version.outcomes"
            for point in metric.sum.data_points
        }

    assert collector.wait_for(versions) == {"22222222-2222-2222-2222-222222222222"}


def test_a_request_leaves_no_proxy_behind(host: PyodideHost) -> None:
    """A leaked proxy keeps its Python objects alive for as long as the isolate lives."""
    with httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client:
        client.get("/health")
        before = host.live_proxies()
        for _ in range(50):
            assert client.get("/health").status_code == 200
            assert client.get("/v1/models").status_code == 401
    # A flush that is still under way holds one of its own, however many requests there were.
    assert host.proxies_left(before + 1) <= before + 1


def test_one_data_point_is_written_for_each_request(host: PyodideHost) -> None:
    host.wait_for_state(lambda state: not state["invocations"])
    before = len(host.state()["bindings"]["POINTS"])
    httpx.get(f"{host.url}/v1/models", timeout=PATIENCE_S)
    host.wait_for_state(lambda state: not state["invocations"])
    points = host.state()["bindings"]["POINTS"]
    assert len(points) == before + 1
    assert points[-1]["blobs"][:4] == ["/v1/models", "GET", "refused", "token_missing"]
    assert points[-1]["doubles"][0] == 401


def test_a_setting_that_is_wrong_is_named_in_the_log_and_not_to_the_caller() -> None:
    with production_host({**VARIABLES, "MODELS": "{"}) as host:
        answer = httpx.get(f"{host.url}/health", timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "configuration_error")
        assert "MODELS" in host.wait_for_log("configuration_error")
        assert "MODELS" not in answer.text


@pytest.mark.parametrize(
    ("module", "named"),
    [
        ("lumigate/api/models.py", "lumigate.api.models"),
        ("lumigate/llm/providers/openai.py", "lumigate.llm.providers.openai"),
    ],
)
def test_a_missing_module_is_an_event_and_a_metric_of_its_own(
    tmp_path: Path, collector: Collector, module: str, named: str
) -> None:
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / module).unlink()
    variables = {**VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with production_host(variables, src=source) as host:
        answer = httpx.get(f"{host.url}/health", timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "import_failed")
        event = json.loads(host.wait_for_log("import_failure"))
        assert (event["event"], event["module"]) == ("import_failure", named)
        assert event["trace_id"] == answer.json()["error"]["trace_id"]

        def counted(found: Collector) -> bool:
            return any(
                attributes(point).get("lumigate.module") == named
                for metric in found.metrics()
                if metric.name == "lumigate.worker.import_failures"
                for point in metric.sum.data_points
            )

        collector.wait_for(counted)


def test_the_tail_worker_tells_of_requests_that_died(collector: Collector) -> None:
    died = {
        "scriptName": "lumigate",
        "entrypoint": "Default",
        "scriptVersion": {"id": "v7"},
        "outcome": "exceededMemory",
        "eventTimestamp": 1_700_000_000_000,
        "wallTime": 120,
        "cpuTime": 90,
        "event": {
            "request": {
                "method": "POST",
                "url": "https://gateway.example.com/v1/chat/completions",
                "headers": {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            }
        },
        "logs": [{"timestamp": 1_700_000_000_050, "level": "error", "message": ["out of", "memory"]}],
        "exceptions": [{"timestamp": 1_700_000_000_100, "name": "Error", "message": "gone"}],
    }
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with production_host(variables, main="tail.py", bindings={}) as host:
        assert host.control("tail", events=[died, {"outcome": "ok", "event": None}]) == {"outcome": "ok"}
    spans = collector.trace("4bf92f3577b34da6a3ce929d0e0e4736", with_span="lost fetch")
    span = spans["lost fetch"]
    assert attributes(span)["lumigate.worker.outcome"] == "exceededMemory"
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"
    assert [event.name for event in span.events] == ["exception"]
    lost = "lumigate.worker.lost_invocations"
    collector.wait_for(lambda c: lost in metric_names(c))
    points = [
        point for metric in collector.metrics() if metric.name == lost for point in metric.sum.data_points
    ]
    assert {attributes(point)["faas.version"] for point in points} == {"v7"}
    collector.wait_for(lambda c: any(path == "/v1/logs" for path, _, _ in c.requests))


def test_the_shard_comes_back_from_eviction_with_every_count() -> None:
    """Evicted from memory between requests and scrapes, it has lost and doubled nothing."""
    variables = {**VARIABLES, "METRICS_TOKEN": "scrape", "METRICS_SCRAPE_HOLD_SECONDS": "0"}

    def counted(client: httpx.Client) -> float:
        text = client.get("/metrics", headers={"authorization": "Bearer scrape"}).text
        lines = [
            line
            for line in text.splitlines()
            if line.startswith("http_server_request_duration_seconds_count")
        ]
        return sum(float(line.rpartition(" ")[2]) for line in lines if 'http_route="/v1/models"' in line)

    with production_host(variables) as host, httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client:
        for sent in range(1, 6):
            client.get("/v1/models")
            eventually(lambda: counted(client) >= sent)  # noqa: B023 - asked in this turn
            assert counted(client) == sent
            assert host.control("evict", binding="METRICS_SHARD")["evicted"] == 1
        host.control("alarms", binding="METRICS_SHARD")
        assert counted(client) == 5


def test_the_shard_is_called_the_same_when_its_alarm_wakes_it() -> None:
    """Its series have one identity for good, though an alarm that wakes it does not know its name."""
    variables = {**VARIABLES, "METRICS_TOKEN": "scrape", "METRICS_SCRAPE_HOLD_SECONDS": "0"}
    bindings = {**declared_bindings(), "automatic_alarms": False}

    def instances(client: httpx.Client) -> set[str]:
        text = client.get("/metrics", headers={"authorization": "Bearer scrape"}).text
        return set(re.findall(r'service_instance_id="([^"]*)"', text))

    with (
        production_host(variables, bindings=bindings) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        eventually(lambda: bool(instances(client)))
        before = instances(client)
        host.control("evict", binding="METRICS_SHARD")
        assert host.control("alarms", binding="METRICS_SHARD")["fired"] == 1
        assert instances(client) == before


BREAKS = """
import asyncio

import js
from workers import Response as WorkersResponse, WorkerEntrypoint

from lumigate.http.types import Response
from lumigate.platform.workers.hang_up import HangUp
from lumigate.platform.workers.http import write_response


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        async def body():
            yield b"one"
            raise ValueError("in the middle")

        async def work():
            await asyncio.sleep(25)
            js.console.log("other work is done")

        self.ctx.waitUntil(work())
        hang_up = HangUp(request.js_object, self.ctx)
        return WorkersResponse(write_response(Response(status=200, headers={}, body=body()), self.ctx, hang_up))
"""


def test_a_body_that_cannot_go_on_breaks_the_connection_at_once(tmp_path: Path) -> None:
    """Otherwise the client waits for what nobody will write, for as long as the request has other work to do."""
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "breaks.py").write_text(BREAKS, "utf-8")
    with production_host({}, main="breaks.py", src=source, bindings={}) as host:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(host.url, timeout=PATIENCE_S)
        assert "other work is done" not in "".join(host.logs())
        host.wait_for_log("ValueError: in the middle")


def test_a_session_comes_back_from_eviction_and_its_alarm_empties_it() -> None:
    """What the object held in memory was only who waits; what it stored is sealed, and goes when idle."""
    key = "lmg_production_key"
    variables = {
        **VARIABLES,
        "API_KEYS": f"acme:{hashlib.sha256(key.encode()).hexdigest()}",
        "SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
        "SESSION_IDLE_SECONDS": "4",
    }
    headers = {"authorization": f"Bearer {key}"}
    with (
        production_host(variables) as host,
        httpx.Client(base_url=host.url, headers=headers, timeout=PATIENCE_S) as client,
    ):
        made = client.post("/sessions", json={"system": "Be brief."}).json()
        assert host.control("evict", binding="SESSION") == {"evicted": 1}
        assert client.get(f"/sessions/{made['id']}").json()["system"] == "Be brief."
        (state,) = host.state()["bindings"]["SESSION"].values()
        assert state["alarm"] >= made["created"] * 1000 + 4000
        host.wait_for_state(lambda state: not any(s["alarm"] for s in state["bindings"]["SESSION"].values()))
        assert client.get(f"/sessions/{made['id']}").status_code == 404
        assert client.post("/sessions", json={}).status_code == 201
    assert made["id"] not in "".join(host.logs())
