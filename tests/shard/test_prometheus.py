"""A real Prometheus scrapes the embedded runtime under traffic: what it counts is what was sent."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.load import LoadGenerator
from local.runtime.development import METRICS_TOKEN
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import RuntimeInThread, run_in_thread
from tests.ports import free_port

SCRAPE_SECONDS = 0.5
SECONDS_OF_TRAFFIC = 6.0

CONFIGURATION = """
global: {{scrape_interval: {interval}ms, scrape_timeout: {interval}ms}}
scrape_configs:
  - job_name: lumigate
    honor_labels: true
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{target}"]}}]
"""


def binary(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing: install the Debian package prometheus to run this")
    return found


@pytest.fixture(scope="module")
def runtime() -> Iterator[RuntimeInThread]:
    settings = {"METRICS_SCRAPE_HOLD_SECONDS": "2", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with run_in_thread(EmbeddedRuntime(settings)) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(runtime: RuntimeInThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; it scrapes `runtime`."""
    program = binary("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    target = runtime.url.removeprefix("http://")
    configuration = folder / "prometheus.yaml"
    configuration.write_text(
        CONFIGURATION.format(interval=int(SCRAPE_SECONDS * 1000), token=METRICS_TOKEN, target=target), "utf-8"
    )
    port = free_port()
    command = [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while not _is_ready(url):
            assert time.monotonic() < deadline, "prometheus did not start"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def query(prometheus: str, expression: str) -> float:
    """The one value of an instant query; 0 where there is none."""
    answer: dict[str, Any] = httpx.get(f"{prometheus}/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", answer
    result = answer["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def test_increase_over_the_run_is_what_was_sent(runtime: RuntimeInThread, prometheus: str) -> None:
    """The raw counter exactly, and what it grew by; `increase()` adds to that what it extrapolates to the edges."""
    series = 'http_server_request_duration_seconds_count{http_route="/v1/chat/completions"}'
    requests = f"sum({series})"
    load = LoadGenerator(runtime.url, runtime.runtime.issuer, rps=40, seed=4)
    asyncio.run(load.run(SECONDS_OF_TRAFFIC))
    sent = load.counts.sent.total()
    assert sent > 150
    deadline = time.monotonic() + 30
    while query(prometheus, requests) < sent and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2 * SCRAPE_SECONDS)
    # over time, because on a busy machine the last scrape may have failed, and nothing is what there is then
    assert query(prometheus, f"max_over_time({requests}[1m:500ms])") == sent
    grown = query(prometheus, f"sum(max_over_time({series}[2m]) - min_over_time({series}[2m]))")
    assert grown == sent, "the first increments must be seen too"
    # by how much it goes beyond depends on how evenly a busy machine scrapes
    assert query(prometheus, f"sum(increase({series}[2m]))") >= sent


def test_what_is_told_of_tokens_is_what_was_sent(runtime: RuntimeInThread, prometheus: str) -> None:
    before = query(prometheus, 'sum(lumigate_auth_checks_total{lumigate_auth_reason="missing"})')
    for _ in range(7):
        httpx.get(f"{runtime.url}/v1/models")
    deadline = time.monotonic() + 10
    now = before
    while now < before + 7 and time.monotonic() < deadline:
        time.sleep(0.2)
        now = query(prometheus, 'sum(lumigate_auth_checks_total{lumigate_auth_reason="missing"})')
    assert now == before + 7


def test_exemplars_are_stored_with_their_traces(runtime: RuntimeInThread, prometheus: str) -> None:
    answer = httpx.get(
        f"{prometheus}/api/v1/query_exemplars",
        params={
            "query": "http_server_request_duration_seconds_bucket",
            "start": time.time() - 120,
            "end": time.time(),
        },
    ).json()
    labels = [one["labels"] for series in answer["data"] for one in series["exemplars"]]
    assert labels
    assert all(len(label["trace_id"]) == 32 for label in labels)


def test_promtool_finds_nothing_to_complain_about(runtime: RuntimeInThread) -> None:
    program = binary("promtool")
    text = httpx.get(f"{runtime.url}/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}).text
    checked = subprocess.run(
        [program, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    # Names that the conventions give (`…_duration_seconds` without a base unit's own suffix …) are not ours to change.
    assert checked.returncode in (0, 3), checked.stderr
    assert "error" not in checked.stderr.lower()
    assert checked.stdout == ""


def test_the_scrape_configuration_that_is_shipped_is_valid(tmp_path: Path) -> None:
    program = binary("promtool")
    source = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
    shutil.copy(source / "prometheus.yaml", tmp_path / "prometheus.yaml")
    (tmp_path / "metrics.token").write_text("token", "utf-8")
    subprocess.run(
        [program, "check", "config", "--syntax-only", str(tmp_path / "prometheus.yaml")], check=True
    )
