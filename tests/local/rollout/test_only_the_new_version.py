"""A fault that only the new version has, at 10 % of the traffic, before a real Prometheus with the committed rules.

Six hours of traffic go through the real instruments and a real counter shard; what it exposes is laid into Prometheus
with the times that it was exposed at. In the last twenty minutes four versions have a tenth each: one fails 5 % of its
requests, one dies in as many, one is slow, one is well. Then the command line is asked.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from local.cli import main
from lumigate import catalog
from lumigate.exposition import TEXT, exposition, prometheus_name
from lumigate.instruments import Instruments
from lumigate.shard import Outbox, ShardSettings
from lumigate.shard.service import ShardService
from lumigate.telemetry import Telemetry
from tests.fakes import FakeClock, FakeEntropy, make_settings
from tests.local.rollout.conftest import OLD, Cloudflare
from tests.local.rollout.fake_wrangler import NEW as FAILING
from tests.ports import free_port
from tests.slo.programs import process
from tests.slo.promtool import promtool, run, tool

SLOW = "33333333-3333-3333-3333-333333333333"
DYING = "66666666-6666-6666-6666-666666666666"
WELL = "44444444-4444-4444-4444-444444444444"
PROMISES = ("availability", "gateway-overhead-p99")
RULES = [Path(__file__).parents[3] / f"slo/generated/prometheus/{name}.rules.yaml" for name in PROMISES]
TICK_S = 30
HISTORY_S, ROLLOUT_S, AHEAD_S = 6 * 3600, 20 * 60, 180
REQUESTS_A_TICK = 3000
TIMES_A_TICK = 100


class Service:
    """Isolates of each version, a shard, and what it exposed over time."""

    def __init__(self, connection: sqlite3.Connection, begun_s: int) -> None:
        self.clock = FakeClock(begun_s)
        telemetry = make_settings().telemetry
        self.shard = ShardService(
            "shard-0",
            lambda sql, *parameters: connection.execute(sql, parameters).fetchall(),
            settings=ShardSettings(),
            telemetry=telemetry,
            resource={},
            clock=self.clock,
            entropy=FakeEntropy(),
        )
        self.telemetry = Telemetry(
            telemetry, clock=self.clock, entropy=FakeEntropy(), metrics=catalog.METRICS
        )
        self.instruments = Instruments(self.telemetry)
        self.outbox = Outbox("isolates")
        self.exposed: list[str] = []
        self.lost = 0

    def serve(self, version: str, requests: int, failed: int, slow: int) -> None:
        for outcome, count in (("complete", requests - failed), ("upstream_error", failed)):
            ended = {"lumigate.outcome": outcome}
            self.instruments.outcomes.add(count, {**ended, "http.route": "/v1/chat/completions"})
            self.instruments.version_outcomes.add(count, {**ended, "faas.version": version})
        for number in range(TIMES_A_TICK):
            seconds = 0.3 if number < slow else 0.01
            self.instruments.version_overhead.record(seconds, {"faas.version": version})

    def die(self, version: str, requests: int) -> None:
        """As the Tail Worker tells it, which exports by itself: its series begins with what it counted first."""
        self.lost += requests
        labels = (
            f'faas_version="{version}",lumigate_worker_outcome="exceededCpu",lumigate_worker_reported="no"'
        )
        name = prometheus_name(catalog.LOST_INVOCATIONS)
        self.exposed.append(f"{name}{{{labels}}} {self.lost} {self.clock.now_ns() // 10**9}")

    def tick(self) -> None:
        self.instruments.heartbeat.add(1, {})
        self.outbox.seal(self.telemetry.collect_deltas(), self.clock.now_ns())
        for batch in self.outbox.due(self.clock.now_ns()):
            self.outbox.settle(batch.sequence, self.shard.push(batch.message()))
        now_s = self.clock.now_ns() // 10**9
        text = exposition([self.shard.scrape(asdict(TEXT))], TEXT)
        self.exposed += [f"{line} {now_s}" for line in text.splitlines() if line and not line.startswith("#")]
        # records made of records, which promtool does not make of a history
        self.exposed += [
            f'slo:{name}:ratio{{service="lumigate",slo="{promise}"}} 1 {now_s}'
            for name in ("coverage", "coverage_expected")
            for promise in PROMISES
        ]
        self.clock.advance(TICK_S)


def exposed(now_s: int) -> str:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        service = Service(connection, now_s - HISTORY_S)
        for tick in range((HISTORY_S + AHEAD_S) // TICK_S):
            before = tick * TICK_S < HISTORY_S - ROLLOUT_S
            tenth = REQUESTS_A_TICK // 10
            usual = tick % 2  # one in 6,000 fails anyway
            service.serve(OLD, REQUESTS_A_TICK if before else 6 * tenth, usual, 0)
            if not before:
                service.serve(FAILING, tenth, tenth // 20, 0)
                service.serve(SLOW, tenth, 0, TIMES_A_TICK // 10)
                service.serve(DYING, tenth - tenth // 20, 0, 0)
                service.die(DYING, tenth // 20)
                service.serve(WELL, tenth, 0, 0)
            service.tick()
        return "\n".join([*service.exposed, "# EOF\n"])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program, folder, now_s = tool("prometheus"), tmp_path_factory.mktemp("prometheus"), int(time.time())
    (folder / "exposed.txt").write_text(exposed(now_s), "utf-8")
    (folder / "prometheus.yaml").write_text("global: {scrape_interval: 30s}\n", "utf-8")
    data, port = folder / "data", free_port()
    url = f"http://127.0.0.1:{port}"
    run(promtool(), "tsdb", "create-blocks-from", "openmetrics", folder / "exposed.txt", data)
    command = (
        program,
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    with process(f"{url}/-/ready", *command):
        span = (
            f"--start={now_s - HISTORY_S + 120}",
            f"--end={now_s}",
            f"--url={url}",
            f"--output-dir={data}",
        )
        run(promtool(), "tsdb", "create-blocks-from", "rules", *span, *RULES)
    with process(f"{url}/-/ready", *command):  # it looks for blocks when it starts
        yield url


def rollout(cloudflare: Cloudflare, prometheus: str, candidate: str, *more: str) -> int:
    shares = {candidate: 10.0, OLD: 90.0}
    cloudflare.has(shares, f"lumigate rollout: {candidate} at 10%, from {OLD}")
    arguments = ["rollout", "resume", "--bundle", str(cloudflare.bundle), "--prometheus", prometheus]
    pace = ["--soak", "0", "--wait", "0", "--warm-up", "0"]
    return main([*arguments, *pace, *(word for name in PROMISES for word in ("--slo", name)), *more])


def test_what_fails_in_the_new_version_alone_passes_the_services_gate_and_is_stopped_by_its_own(
    prometheus: str, cloudflare: Cloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["slo", "status", "--slo", "availability", "--prometheus", prometheus, "--json"]) == 0
    (standing,) = json.loads(capsys.readouterr().out)["slos"]
    assert standing["gate"] == "open"
    assert standing["total_events"] > 2_000_000
    assert standing["bad_events"] > 800, "the service did see it"
    assert rollout(cloudflare, prometheus, FAILING, "--service-only") == 0, "as it was before"
    assert cloudflare.shares == {FAILING: 100.0}
    capsys.readouterr()
    assert rollout(cloudflare, prometheus, FAILING) == 1
    assert cloudflare.shares == {OLD: 100.0}
    said = capsys.readouterr().err
    assert "10%: the gate is burning (new version: availability 5.00% bad" in said
    assert "50.0 times the budget" in said


def test_one_that_is_slower_than_the_old_one_is_stopped(
    prometheus: str, cloudflare: Cloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollout(cloudflare, prometheus, SLOW, "--service-only") == 0
    capsys.readouterr()
    assert rollout(cloudflare, prometheus, SLOW) == 1
    assert cloudflare.shares == {OLD: 100.0}
    assert "gateway-overhead-p99 10.00% bad" in capsys.readouterr().err


def test_one_whose_invocations_die_is_stopped(
    prometheus: str, cloudflare: Cloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    """They have no outcome: nobody counts them but the Tail Worker."""
    assert rollout(cloudflare, prometheus, DYING) == 1
    assert "availability 5.00% bad" in capsys.readouterr().err


def test_one_that_is_well_reaches_everyone_beside_them(
    prometheus: str, cloudflare: Cloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollout(cloudflare, prometheus, WELL) == 0
    assert cloudflare.shares == {WELL: 100.0}
    said = capsys.readouterr().err
    assert "requests of the new version" in said
    assert "of the old" in said


def test_one_that_nobody_has_seen_is_not_let_through(
    prometheus: str, cloudflare: Cloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollout(cloudflare, prometheus, "55555555-5555-5555-5555-555555555555") == 1
    assert cloudflare.shares == {OLD: 100.0}
    assert "0 requests, 100 are needed" in capsys.readouterr().err
