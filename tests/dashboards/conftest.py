"""One run of the mix for all tests that ask about it: the embedded runtime, scraped by a real Prometheus."""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboards import build
from local.runtime.development import METRICS_TOKEN
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import RuntimeInThread, run_in_thread
from lumigate.auth import key_set
from lumigate.cache import breaker
from slo import durations
from slo.build import Sources
from slo.prometheus import promise_group, service_group
from slo.rules import rule_file
from tests.dashboards.collector import collecting
from tests.dashboards.filled import WINDOW, Query, promql, queries
from tests.dashboards.mix import RATE_LIMIT, Mix, settings
from tests.dashboards.occasions import BREAKER_PAUSE_SECONDS
from tests.ports import free_port
from tests.slo.programs import process, wait
from tests.slo.promtool import tool

STEP = 1.0
"""A step of the recording rules, which is a minute in production; periods and windows shrink with it."""
COMPRESSION = 60 / STEP
STATE_WINDOW = "4s"
"""For panels of states: a busy machine misses scrapes, and growth takes two of them."""
PATIENCE_SECONDS = 180
SCRAPES = 12
"""`increase` stretches what so many scrapes saw by an eleventh at most; a busy machine misses some."""
COUNTED = (
    "http_server_request_duration_seconds_count",
    "lumigate_auth_checks_total",
    "lumigate_cache_outcomes_total",
    "lumigate_llm_attempts_total",
)
"""What the numbers of requests, answers and calls are taken from."""
CONFIGURATION = """\
global: {{scrape_interval: {step}, scrape_timeout: {step}, evaluation_interval: {step}}}
rule_files: ["{rules}/*.yaml"]
scrape_configs:
  - job_name: lumigate
    honor_labels: true
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{target}"]}}]
"""


_running: list[contextlib.ExitStack] = []
"""What the fixture `run` started. It would disturb the clocks of other folders' tests, so it does not outlive ours."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    del item
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        while _running:
            _running.pop().close()


@dataclass(kw_only=True)
class Run:
    """What ran, and where to ask about it."""

    mix: Mix
    client: httpx.Client
    """Asks Prometheus."""
    sources: Sources
    began: float
    """A Unix time before all of it: where graphs begin, so that each of them has the same instants."""
    points: list[dict[str, Any]]
    events: list[str]

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = self.client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{answer.get('error')}\n{expression}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def over_time(self, expression: str) -> list[dict[str, Any]]:
        """The same as a graph asks it."""
        parameters = {"query": expression, "start": str(self.began), "end": str(time.time()), "step": "1"}
        answer = self.client.get("/api/v1/query_range", params=parameters).json()
        assert answer["status"] == "success", f"{answer.get('error')}\n{expression}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def number(self, expression: str) -> float:
        (found,) = self.query(expression)
        return float(found["value"][1])

    @functools.cached_property
    def asked(self) -> list[Query]:
        """The dashboards' queries, built from promises whose time is compressed as the rules' is."""
        return queries(build.dashboards(self.sources), "prometheus")

    def states(self, dashboard: str, panel: str) -> dict[str, set[float]]:
        """What a panel of states has shown so far, by provider where it tells them apart."""
        (text,) = [
            promql(q.text).replace(f"[{WINDOW}]", f"[{STATE_WINDOW}]")
            for q in self.asked
            if (q.dashboard, q.panel) == (dashboard, panel)
        ]
        return {
            series["metric"].get("gen_ai_provider_name", ""): {float(value) for _, value in series["values"]}
            for series in self.over_time(text)
        }

    def until(self, expression: str) -> None:
        """Wait until a query finds something."""
        wait(lambda: self.query(expression), PATIENCE_SECONDS, expression)


@pytest.fixture(scope="session")
def generated() -> dict[str, dict[str, Any]]:
    """The dashboards as they are built now, which `test_build` compares with the committed ones."""
    return build.dashboards()


def compressed() -> Sources:
    """The committed promises with their periods shortened as much as the steps."""
    sources = Sources.load()
    return replace(
        sources,
        promises=tuple(replace(p, period=p.period / COMPRESSION) for p in sources.promises),
        settings=sources.settings.model_copy(update={"step_seconds": STEP, "settle_seconds": STEP / 2}),
    )


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What runs ends with this folder's last test, see `pytest_runtest_teardown`."""
    program = tool("prometheus")
    folder = tmp_path_factory.mktemp("dashboards")
    sources = compressed()
    with contextlib.ExitStack() as everything:
        collector = everything.enter_context(collecting())
        broken = everything.enter_context(collecting())
        broken.status = 500
        patched = everything.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(breaker, "FIRST_PAUSE_NS", int(BREAKER_PAUSE_SECONDS * 1e9))
        runtime = EmbeddedRuntime(
            settings(collector, f"{broken.url}/v1"), cron_seconds=STEP, rate_limit=RATE_LIMIT
        )
        running = everything.enter_context(run_in_thread(runtime))
        rules = folder / "rules"
        rules.mkdir()
        for promise in sources.promises:
            group = promise_group(promise, sources.settings)
            (rules / f"{promise.name}.yaml").write_text(rule_file([group]), "utf-8")
        (rules / "service.yaml").write_text(
            rule_file([service_group(sources.settings, sources.policy)]), "utf-8"
        )
        (folder / "prometheus.yaml").write_text(
            CONFIGURATION.format(
                step=durations.promql(STEP),
                rules=rules,
                token=METRICS_TOKEN,
                target=running.url.removeprefix("http://"),
            ),
            "utf-8",
        )
        url = f"http://127.0.0.1:{free_port()}"
        command = (
            program,
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--enable-feature=exemplar-storage",
            "--query.lookback-delta=1m",
            "--log.level=error",
        )
        everything.enter_context(process(f"{url}/-/ready", *command))
        events: list[str] = []
        runtime.ports.console.listen(events.append)
        mix = Mix(running, collector)
        everything.callback(mix.close)
        client = everything.enter_context(httpx.Client(base_url=url, timeout=PATIENCE_SECONDS))
        found = Run(mix=mix, client=client, sources=sources, began=time.time(), points=[], events=events)
        found.until("max(lumigate_heartbeat_total) > 2")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(key_set, "FRESH_SECONDS", 0.5)  # so that the key set grows old within the run,
            patch.setattr(key_set, "REFRESH_RETRY_SECONDS", 1.0)  # and is asked for in vain more than once
            mix.run(lambda: 2 in found.states("access.json", "Key set").get("", ()))
        found.until(f"sum(http_server_request_duration_seconds_count) >= {mix.all_sent}")
        found.until("sum(lumigate_worker_lost_invocations_total) > 0")
        running.call(runtime.ports.background.drain(PATIENCE_SECONDS), PATIENCE_SECONDS)
        # what was told last is scraped after this, and the records that hold it are made after that
        found.until(f"min(timestamp(lumigate_heartbeat_total)) > {time.time() + STEP}")
        found.until(f"min(timestamp(slo:period_total:events)) > {time.time() + 2 * STEP}")
        for name in COUNTED:
            found.until(f"min(count_over_time({name}[{WINDOW}])) >= {SCRAPES}")
        found.points = _points(running)
        _running.append(everything.pop_all())
        return found


def _points(running: RuntimeInThread) -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        database = running.runtime.ports.database
        columns = [row[1] for row in database.read("PRAGMA table_info(data_points)")]
        return [dict(zip(columns, row, strict=True)) for row in database.read("SELECT * FROM data_points")]

    return running.call(read())
