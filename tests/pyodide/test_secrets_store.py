"""Settings bound from a Secrets Store: read inside requests, once an isolate, and never seen outside."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from tests.collector import Collector
from tests.pyodide.production import declared_bindings, production_host
from tests.pyodide.runner import PATIENCE_S
from tests.pyodide.stored_secrets import (
    BEARER,
    MARK,
    SECRETS,
    VARIABLES,
    ask,
    bound,
    calls,
    eventually,
    put,
    reads,
    references,
    scraped,
    sent_keys,
    settings,
    source_with,
)


def test_secrets_of_the_store_work_as_plain_ones_do_and_are_read_once(
    collector: Collector, model_upstream: OpenAIUpstream
) -> None:
    """By the gateway, the session's object and the shard, which may all be in one isolate."""
    collector.clear()
    with (
        production_host(settings(model_upstream, collector), bindings=bound(SECRETS)) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        assert calls(host) == dict.fromkeys(SECRETS, 0), "nothing is read before the first request"
        assert client.get("/v1/models", headers=BEARER).status_code == 200
        once = calls(host)
        assert once == dict.fromkeys(SECRETS, 1)
        assert ask(client).status_code == 200
        assert model_upstream.requests[-1].headers["authorization"] == f"Bearer {SECRETS['OPENAI_API_KEY']}"
        assert scraped(client, SECRETS["METRICS_TOKEN"]) == 200
        made = client.post("/sessions", json={}, headers=BEARER)
        assert made.status_code == 201
        (session,) = host.state()["bindings"]["SESSION"].values()
        assert session["alarm"] == pytest.approx((made.json()["created"] + 77) * 1000, abs=30_000)
        key = f"otlp-{MARK}"
        collector.wait_for(lambda c: all(sent_keys(c, f"/v1/{s}") == {key} for s in ("traces", "metrics")))
        collector.wait_for(lambda c: reads(c).get("read") == len(SECRETS))
        assert calls(host) == once
        emitted = host.tail(10_000) + json.dumps(host.state())
    with collector.changed:
        emitted += "\n".join(str(message) for _, _, message in collector.requests)
    for value in (MARK, SECRETS["API_KEYS"], SECRETS["SEALING_KEYS"]):
        assert value not in emitted


def test_a_secret_that_is_not_there_is_named_in_the_log_and_asked_for_again_by_the_next_request(
    collector: Collector, model_upstream: OpenAIUpstream
) -> None:
    collector.clear()
    missing = {**SECRETS, "OPENAI_API_KEY": None}
    with (
        production_host(settings(model_upstream, collector), bindings=bound(missing)) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        for _ in range(2):
            answer = client.get("/health")
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "configuration_error")
            assert "OPENAI_API_KEY" not in answer.text
        line = json.loads(host.wait_for_log("configuration_error"))
        assert line["message"] == (
            "OPENAI_API_KEY: the Secrets Store does not give it: "
            'Secret "lumigate_test_OPENAI_API_KEY" not found'
        )
        assert host.control("scheduled", cron="* * * * *")["outcome"] == "exception"
        put(host, "OPENAI_API_KEY", value=f"sk-{MARK}-late")
        assert ask(client, "late").status_code == 200
        assert model_upstream.requests[-1].headers["authorization"] == f"Bearer sk-{MARK}-late"
        assert host.control("scheduled", cron="* * * * *") == {"outcome": "ok"}
        collector.wait_for(lambda c: reads(c).get("failed") == 3)
        assert MARK not in host.tail(10_000)


def test_a_secret_that_is_malformed_is_named_and_may_be_mended_in_the_store(
    collector: Collector, model_upstream: OpenAIUpstream
) -> None:
    wrong = {**SECRETS, "SEALING_KEYS": f"{MARK},,"}
    with (
        production_host(settings(model_upstream, collector), bindings=bound(wrong)) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        assert client.get("/health").json()["error"]["code"] == "configuration_error"
        assert "SEALING_KEYS" in host.wait_for_log("configuration_error")
        put(host, "SEALING_KEYS", value=SECRETS["SEALING_KEYS"])
        assert client.get("/health").status_code == 200
        assert MARK not in host.tail(10_000)


def test_a_store_that_never_answers_holds_no_request_for_ever(tmp_path: Path) -> None:
    source = source_with(tmp_path, timeout_seconds=2)
    with (
        production_host(VARIABLES, bindings=bound(SECRETS), src=source) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        put(host, "METRICS_TOKEN", never=True)
        assert client.get("/health").status_code == 500
        assert "did not answer in time" in host.wait_for_log("configuration_error")
        put(host, "METRICS_TOKEN", value="now")
        assert client.get("/health").status_code == 200


def test_first_requests_at_the_same_time_each_read_for_themselves() -> None:
    """A promise shared between them would be refused by the runtime."""
    with production_host(VARIABLES, bindings=bound(SECRETS)) as host:
        for name in SECRETS:
            put(host, name, held=True)
        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(httpx.get, f"{host.url}/health", timeout=PATIENCE_S) for _ in range(4)]
            try:
                eventually(lambda: max(calls(host).values()) == 4)
            finally:
                for name in SECRETS:
                    put(host, name, value=SECRETS[name])
        assert [answer.result().status_code for answer in asking] == [200] * 4
        asked = set(calls(host).values())
        assert httpx.get(f"{host.url}/health", timeout=PATIENCE_S).status_code == 200
        assert set(calls(host).values()) == asked
        assert asked == {4}
        assert "different request" not in host.tail(10_000)


def test_reading_secrets_leaves_no_proxy_behind(tmp_path: Path) -> None:
    source = source_with(tmp_path, again_ms=1)
    with (
        production_host(VARIABLES, bindings=bound(SECRETS), src=source) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        client.get("/health")
        before, asked = host.live_proxies(), calls(host)["API_KEYS"]
        for _ in range(20):
            assert client.get("/health").status_code == 200
        assert host.proxies_left(before + 1) <= before + 1
        assert calls(host)["API_KEYS"] > asked


@pytest.mark.parametrize(
    ("bindings", "refused"),
    [
        ({"services": [{"binding": "PARTNER"}]}, ""),
        ({"services": [{"binding": "MISTRAL_API_KEY"}]}, "MISTRAL_API_KEY"),
        ({"kv_namespaces": [{"binding": "CACHE"}, {"binding": "MISTRAL_API_KEY"}]}, "MISTRAL_API_KEY"),
        (
            {"ratelimits": [{"name": "COHERE_API_KEY", "simple": {"limit": 1, "period": 60}}]},
            "COHERE_API_KEY",
        ),
    ],
)
def test_what_has_the_name_of_a_setting_is_taken_for_a_secret_and_nothing_else_is(
    bindings: dict[str, Any], refused: str
) -> None:
    variables = {**VARIABLES, **SECRETS}
    with production_host(variables, bindings={**declared_bindings(), **bindings}) as host:
        answer = httpx.get(f"{host.url}/health", timeout=PATIENCE_S)
        assert answer.status_code == (500 if refused else 200)
        if refused:
            message = json.loads(host.wait_for_log("configuration_error"))["message"]
            assert message.startswith(f"{refused}: ")


WAITS = """
import json

from workers import Response, WorkerEntrypoint

from lumigate.platform.workers import isolate
from lumigate.platform.workers.ports import WorkersPorts


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        found = []
        for _ in range(2):
            opening = isolate._isolate_gateway(WorkersPorts(self.env, self.ctx))
            try:
                opening.send(None)
                found.append("waits")
                opening.close()
            except StopIteration:
                found.append("is there at once")
        return Response(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("secrets", "wanted"), [({}, "is there at once"), (SECRETS, "waits")], ids=["none", "some"]
)
def test_a_worker_that_binds_no_secret_waits_for_nothing(
    tmp_path: Path, secrets: dict[str, str], wanted: str
) -> None:
    source = source_with(tmp_path)
    (source / "waits.py").write_text(WAITS, "utf-8")
    plain = VARIABLES | {name: value for name, value in SECRETS.items() if name not in secrets}
    with production_host(plain, main="waits.py", src=source, bindings=references(secrets)) as host:
        assert httpx.get(host.url, timeout=PATIENCE_S).json() == [wanted] * 2


def test_the_tail_worker_and_an_incomplete_bundle_send_their_headers_from_the_store(
    tmp_path: Path, collector: Collector
) -> None:
    collector.clear()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": SECRETS["OTEL_EXPORTER_OTLP_HEADERS"]}
    died = {"outcome": "exceededCpu", "eventTimestamp": 1_700_000_000_000, "event": {"cron": "* * * * *"}}
    with production_host(variables, main="tail.py", bindings=references(headers)) as host:
        assert host.control("tail", events=[died]) == {"outcome": "ok"}
    assert sent_keys(collector, "/v1/traces") == {f"otlp-{MARK}"}
    collector.clear()
    source = source_with(tmp_path)
    (source / "lumigate/api/models.py").unlink()
    with production_host({**VARIABLES, **variables}, src=source, bindings=bound(headers)) as host:
        assert httpx.get(f"{host.url}/health", timeout=PATIENCE_S).json()["error"]["code"] == "import_failed"
        collector.wait_for(lambda c: sent_keys(c, "/v1/metrics") == {f"otlp-{MARK}"})
        assert MARK not in host.tail(10_000)


GREETER = """
from workers import Response, WorkerEntrypoint

from lumigate.platform.workers.telemetry import WorkerTelemetry

telemetry = WorkerTelemetry()


class Default(WorkerEntrypoint):
    @telemetry.handler
    async def fetch(self, request):
        telemetry.log("greeted", "Hello was said")
        return Response("Hello!")
"""


def test_the_telemetry_engine_alone_reads_its_headers_from_the_store_and_nothing_else(
    tmp_path: Path, collector: Collector
) -> None:
    """Without them telemetry is off and the Worker is not; the next request tries again; a change is taken up."""
    collector.clear()
    source = source_with(tmp_path, again_ms=200)
    (source / "greeter.py").write_text(GREETER, "utf-8")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
    bindings = references({"OTEL_EXPORTER_OTLP_HEADERS": None, "PARTNER_API_KEY": None})
    with (
        production_host(variables, main="greeter.py", src=source, bindings=bindings) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        assert client.get("/").text == "Hello!"
        assert "OTEL_EXPORTER_OTLP_HEADERS" in host.wait_for_log("telemetry_off")
        assert sent_keys(collector, "/v1/traces") == set()
        put(host, "OTEL_EXPORTER_OTLP_HEADERS", value=f"x-api-key=one-{MARK}")
        assert client.get("/").text == "Hello!"
        collector.wait_for(lambda c: sent_keys(c, "/v1/traces") == {f"one-{MARK}"})
        put(host, "OTEL_EXPORTER_OTLP_HEADERS", value=f"x-api-key=two-{MARK}")

        def taken_up() -> bool:
            assert client.get("/").text == "Hello!"
            return f"two-{MARK}" in sent_keys(collector, "/v1/traces")

        eventually(taken_up)
        assert host.state()["bindings"]["PARTNER_API_KEY"] == {"calls": 0}
        assert MARK not in host.tail(10_000)
