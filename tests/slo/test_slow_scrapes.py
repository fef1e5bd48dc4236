"""A real Prometheus whose scrapes take almost as long as they may: the generated increase is exact, the naive is not.

A sample bears the time at which its scrape began and is stored when it has ended, so at nearly any moment one is on its
way. Four targets, so that not all of them happen to be at rest whenever the rules are evaluated.
"""

from __future__ import annotations

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

STEP, SETTLE, SCRAPE, TAKES = 2.0, 1.5, 1.0, 0.85
TARGETS, LAST = 4, 9
BEFORE = "last_over_time(events_total[2m] offset 2s)"
NAIVE = f"(events_total - {BEFORE} >= 0) or (events_total and {BEFORE})"


class Target(BaseHTTPRequestHandler):
    """Counts its scrapes up to the last, and answers late."""

    seen: dict[str, int] = {}  # noqa: RUF012 (of the one server that a test has)

    def do_GET(self) -> None:
        count = self.seen[self.path] = min(LAST, self.seen.get(self.path, -1) + 1)
        time.sleep(TAKES)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"# TYPE events_total counter\nevents_total {count * count}\n".encode())

    def log_message(self, *_: object) -> None:
        pass


def test_growth_that_was_on_its_way_is_counted_in_the_next_step(tmp_path: Path) -> None:
    program, port = tool("prometheus"), free_port()
    url = f"http://127.0.0.1:{port}"
    Target.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
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
        answer = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()
        return float(next((sample["value"][1] for sample in answer["data"]["result"]), 0))

    try:
        with process(f"{url}/-/ready", *command):
            # the first value that was stored is what a count begins with: a slow machine may miss some
            grown = "sum(max_over_time(events_total[2m]) - min_over_time(events_total[2m]))"
            wait(lambda: number("min(events_total)") == LAST * LAST, 60, "the last scrape of each target")
            time.sleep(3 * STEP)
            true, found, naive = (
                number(query)
                for query in (
                    grown,
                    "sum(sum_over_time(ours:increase[2m]))",
                    "sum(sum_over_time(naive:increase[2m]))",
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
