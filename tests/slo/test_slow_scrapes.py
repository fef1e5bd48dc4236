"""A real Prometheus whose scrapes take almost as long as they may: the generated increase is exact, the naive is not.

A sample bears the time at which its scrape began and is stored when it has ended, so at nearly any moment one is on its
way. Many targets, so that not all of them happen to be at rest whenever the rules are evaluated.
"""

from __future__ import annotations

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from slo.durations import promql
from slo.promql import increases_of_query
from tests.ports import free_port
from tests.slo.programs import process, wait
from tests.slo.promtool import tool

STEP, SETTLE, SCRAPE, TAKES = 2.0, 1.9, 1.0, 0.75
TARGETS, GROWTHS = 8, 6
PATIENCE_SECONDS = 120
BEFORE = "last_over_time(events_total[5m] offset 2s)"
NAIVE = f"(events_total - {BEFORE} >= 0) or (events_total and {BEFORE})"


class Target(BaseHTTPRequestHandler):
    """Counts its scrapes while it grows, and answers late."""

    seen: dict[str, int] = {}  # noqa: RUF012 (of the one server that a test has)
    grows = True

    def do_GET(self) -> None:
        count = self.seen[self.path] = self.seen.get(self.path, -1) + type(self).grows
        time.sleep(TAKES)
        with contextlib.suppress(ConnectionError):  # a scrape that was given up
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"# TYPE events_total counter\nevents_total {count * count}\n".encode())

    def log_message(self, *_: object) -> None:
        pass


def test_growth_that_was_on_its_way_is_counted_in_the_next_step(tmp_path: Path) -> None:
    program, port = tool("prometheus"), free_port()
    url = f"http://127.0.0.1:{port}"
    Target.seen.clear()
    Target.grows = True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    ours = increases_of_query("increase(events_total[{{.window}}])", step=STEP, settle=SETTLE)
    rules = [
        {"record": f"{name}:increase", "expr": f"sum({expr}) or vector(0)"}
        for name, expr in (("ours", ours), ("naive", NAIVE))
    ]
    group = {"name": "g", "interval": promql(STEP), "rules": rules}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [group]}))
    jobs = [
        {
            "job_name": f"j{n}",
            "metrics_path": f"/{n}",
            "static_configs": [{"targets": [f"127.0.0.1:{server.server_port}"]}],
        }
        for n in range(TARGETS)
    ]
    interval = {"scrape_interval": promql(SCRAPE), "scrape_timeout": promql(SCRAPE)}
    content = {"global": interval, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(content))
    command = (
        program,
        f"--config.file={tmp_path / 'prometheus.yaml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )

    def number(query: str) -> float:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, timeout=PATIENCE_SECONDS).json()
        return float(next((sample["value"][1] for sample in answer["data"]["result"]), 0))

    def is_stored(path: str, count: int) -> bool:
        return number(f'events_total{{job="j{path[1:]}"}}') == count * count

    try:
        with process(f"{url}/-/ready", *command):
            # the first value that was stored is what a count begins with: a slow machine may miss some
            grown = "sum(max_over_time(events_total[5m]) - min_over_time(events_total[5m]))"
            grown_often = f"count(changes(events_total[5m]) >= {GROWTHS})"
            wait(lambda: number(grown_often) == TARGETS, PATIENCE_SECONDS, "growth of each target")
            Target.grows = False
            wait(
                lambda: all(is_stored(path, count) for path, count in Target.seen.items()),
                PATIENCE_SECONDS,
                "the last count of each target",
            )
            evaluated = f"timestamp(ours:increase) > {time.time() + 2 * STEP}"
            wait(lambda: number(evaluated), PATIENCE_SECONDS, "rules that saw all of it")
            true, found, naive = (
                number(query)
                for query in (
                    grown,
                    "sum(sum_over_time(ours:increase[5m]))",
                    "sum(sum_over_time(naive:increase[5m]))",
                )
            )
            missed = [
                line
                for line in httpx.get(f"{url}/metrics").text.splitlines()
                if line.startswith("prometheus_rule_group_iterations_missed_total{")
                and not line.endswith(" 0")
            ]
    finally:
        server.shutdown()
        server.server_close()
    if missed:
        pytest.skip(f"this machine is too slow to evaluate rules every {STEP:g} s: {missed}")
    assert found == true > 0
    assert naive < true
