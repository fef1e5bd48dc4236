"""From a request to a page: the embedded runtime under traffic, real Prometheus with the generated rules, real
Alertmanager with the generated routing, and a receiver. Time is compressed: a step is half a second, not a minute, and
every window and period is shorter by as much; the rules are otherwise those that are committed.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from local.runtime.development import METRICS_TOKEN
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import RuntimeInThread, run_in_thread
from slo.alertmanager import alertmanager_config
from slo.command import add_arguments
from slo.durations import promql
from slo.model import Promise
from slo.prometheus import promise_group, service_group
from slo.rules import rule_file
from slo.settings import Receivers, Settings
from slo.sources import read_prometheus
from slo.standing import Gate, standing
from tests.ports import free_port
from tests.slo.examples import policy, settings
from tests.slo.programs import process, wait
from tests.slo.promtool import tool

STEP = 0.5
COMPRESSION = 60 / STEP
REQUESTS_EACH_STEP = 12
PATIENCE_SECONDS = 120
"""For what takes a few on a machine that is free."""

PROMETHEUS = """\
global: {{scrape_interval: {step}, scrape_timeout: {step}, evaluation_interval: {step}}}
rule_files: ["{rules}/*.yaml"]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]
scrape_configs:
  - job_name: lumigate
    honor_labels: true
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{target}"]}}]
"""


@dataclass(kw_only=True)
class Receiver:
    """Takes Alertmanager's webhooks and keeps the alerts in them, with the path they came to."""

    url: str = ""
    alerts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, path: str, status: str, name: str) -> list[dict[str, Any]]:
        return [
            alert
            for to, alert in list(self.alerts)
            if (to, alert["status"], alert["labels"]["alertname"]) == (path, status, name)
        ]


@dataclass(kw_only=True)
class Stack:
    """Everything that runs."""

    runtime: RuntimeInThread
    prometheus: str
    receiver: Receiver
    settings: Settings
    promises: list[Promise]

    def query(self, expression: str) -> list[dict[str, Any]]:
        url = f"{self.prometheus}/api/v1/query"
        answer = httpx.get(url, params={"query": expression}, timeout=PATIENCE_SECONDS).json()
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def first(self, expression: str, since: float) -> float | None:
        """The first step since a Unix time at which an expression gives something."""
        parameters = {
            "query": expression,
            "start": str(since),
            "end": str(time.time()),
            "step": str(STEP / 2),
        }
        url = f"{self.prometheus}/api/v1/query_range"
        answer = httpx.get(url, params=parameters, timeout=PATIENCE_SECONDS).json()
        instants = [float(sample[0]) for series in answer["data"]["result"] for sample in series["values"]]
        return min(instants, default=None)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            receiver.alerts += [(self.path, alert) for alert in body["alerts"]]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def traffic(runtime: RuntimeInThread) -> Iterator[None]:
    """Steady requests, no two alike, until the end."""
    stop = threading.Event()

    def send() -> None:
        headers = {"authorization": f"Bearer {runtime.runtime.issuer.valid()}"}
        with httpx.Client(base_url=runtime.url, headers=headers, timeout=PATIENCE_SECONDS) as client:
            sent = 0
            while not stop.wait(STEP / REQUESTS_EACH_STEP):
                sent += 1
                message = {"role": "user", "content": f"question {sent}"}
                client.post("/v1/chat/completions", json={"model": "gpt-5-mini", "messages": [message]})

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    prometheus, alertmanager = tool("prometheus"), tool("prometheus-alertmanager", "alertmanager")
    folder = tmp_path_factory.mktemp("stack")
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    with contextlib.ExitStack() as everything:
        receiver = everything.enter_context(receiving())
        runtime = everything.enter_context(
            run_in_thread(
                EmbeddedRuntime(
                    {"METRICS_SCRAPE_HOLD_SECONDS": "0.5", "OTEL_BSP_SCHEDULE_DELAY": "50"}, cron_seconds=STEP
                )
            )
        )
        chosen = settings(
            step_seconds=STEP,
            settle_seconds=STEP / 2,
            receivers=Receivers(page=f"{receiver.url}/page", ticket=f"{receiver.url}/ticket"),
        )
        from slo.build import Sources

        names = {"availability", "llm-errors"}
        promises = [
            replace(p, period=p.period / COMPRESSION) for p in Sources.load().promises if p.name in names
        ]
        rules = folder / "rules"
        rules.mkdir()
        for promise in promises:
            (rules / f"{promise.name}.yaml").write_text(rule_file([promise_group(promise, chosen)]))
        (rules / "service.yaml").write_text(rule_file([service_group(chosen, policy())]))
        (folder / "alertmanager.yaml").write_text(alertmanager_config(chosen, policy()))
        (folder / "prometheus.yaml").write_text(
            PROMETHEUS.format(
                step=promql(STEP),
                rules=rules,
                alertmanager=ports["alertmanager"],
                token=METRICS_TOKEN,
                target=runtime.url.removeprefix("http://"),
            )
        )
        everything.enter_context(
            process(
                f"http://127.0.0.1:{ports['alertmanager']}/-/ready",
                alertmanager,
                f"--config.file={folder / 'alertmanager.yaml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
                "--cluster.listen-address=",
                "--log.level=error",
            )
        )
        url = f"http://127.0.0.1:{ports['prometheus']}"
        everything.enter_context(
            process(
                f"{url}/-/ready",
                prometheus,
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
                f"--query.lookback-delta={promql(5 * STEP)}",
                "--log.level=error",
            )
        )
        yield Stack(runtime=runtime, prometheus=url, receiver=receiver, settings=chosen, promises=promises)


def test_an_outage_pages_a_quiet_night_does_not_and_recovery_resolves(stack: Stack) -> None:
    page, receiver = "LumigateAvailabilityBurn", stack.receiver
    behaviour = stack.runtime.runtime.upstream.behaviour
    total = 'slo:total:increase{slo="availability"}'

    # an idle night, with heartbeats only; then traffic that goes well
    wait(lambda: stack.query('slo:observed:bool{slo="availability"} == 1'), PATIENCE_SECONDS, "a heartbeat")
    wait(lambda: stack.query(f"count_over_time({total}[1m]) > 8"), PATIENCE_SECONDS, "a night")
    with traffic(stack.runtime):
        wait(
            lambda: stack.query(f"sum_over_time({total}[2m]) > 60"), PATIENCE_SECONDS, "traffic in the rules"
        )
        # where scrapes are missed for seconds, nothing is known for «ten minutes»: then that alert is right
        named = {alert["labels"]["alertname"] for _, alert in list(receiver.alerts)}
        assert named <= {"LumigateTelemetrySilent"}

        behaviour.failure_rate = 1.0
        started = time.time()
        wait(lambda: receiver.of("/page", "firing", page), PATIENCE_SECONDS, "the page")
        behaviour.failure_rate = 0.0

        # in the very evaluation whose records first had the evidence, however slow scrapes and evaluations were
        alert = f'ALERTS{{alertname="{page}",severity="page",alertstate="firing"}}'
        wait(lambda: stack.first(alert, started), PATIENCE_SECONDS, "the alert by Prometheus' own clock")
        assert stack.first(alert, started) == stack.first(_evidence(stack), started)
        _texts_are_filled_in(receiver.of("/page", "firing", page)[0])
        _status_stops_a_release(stack, since=time.time() - started)

        wait(lambda: receiver.of("/page", "resolved", page), PATIENCE_SECONDS, "the resolution")
    until_resolved = [(to, alert["labels"]["alertname"], alert["status"]) for to, alert in receiver.alerts]
    until_resolved = until_resolved[: until_resolved.index(("/page", page, "resolved"))]
    assert ("/ticket", page, "firing") not in until_resolved, "whoever is paged gets no ticket for the same"


def _evidence(stack: Stack) -> str:
    """What a page of availability waits for, by the records: both windows of a tier burn, and failures enough."""
    promise = next(promise for promise in stack.promises if promise.name == "availability")
    burns = " or ".join(
        f'min(slo:burn:rate{{slo="availability",window=~"{tier.long_label}|{tier.short_label}"}}) > {tier.factor}'
        for tier in promise.tiers(STEP)
        if tier.severity == "page"
    )
    few = 'slo:minimum_bad:events{slo="availability"}'
    return f'({burns}) and on () (slo:period_bad:events{{slo="availability"}} >= {few})'


def _texts_are_filled_in(alert: dict[str, Any]) -> None:
    texts = alert["annotations"]
    assert texts["summary"].startswith("Availability: the error budget burns ")
    assert "% of the error budget is spent; at this pace the rest lasts" in texts["budget"]
    assert "to=1" in texts["dashboard"]
    assert "var-slo=availability" in texts["budget_dashboard"]
    assert texts["runbook_url"].endswith("/runbooks/availability.md")
    assert not any("{{" in text or "error expanding" in text for text in texts.values()), texts


def _status_stops_a_release(stack: Stack, *, since: float) -> None:
    """The same numbers by `slo status`, in the middle of the outage that began so many seconds ago."""
    found = read_prometheus(stack.prometheus, stack.promises, since=since + 2 * STEP, step=STEP)
    assert set(found.readings) == {"availability", "llm-errors"}
    availability = next(promise for promise in stack.promises if promise.name == "availability")
    judged = standing(availability, found.readings["availability"], policy(), step=STEP)
    assert judged.gate is Gate.BLOCKED  # in so short a life, the whole budget
    assert judged.bad >= 5
    assert judged.burned_since is not None
    assert judged.burned_since > 1


def test_the_command_line_offers_what_was_used_here() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(["status", "--prometheus", "http://127.0.0.1:9090", "--json"])
    assert arguments.action == "status"
