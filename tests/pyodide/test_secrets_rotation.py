"""A secret that is changed in the Secrets Store: taken up without a deployment, and without a loss."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from local.mocks.openai_upstream import OpenAIUpstream
from tests.collector import Collector, attributes
from tests.pyodide.production import production_host
from tests.pyodide.runner import PATIENCE_S
from tests.pyodide.stored_secrets import (
    BEARER,
    MARK,
    SECRETS,
    VARIABLES,
    ask,
    bound,
    eventually,
    put,
    reads,
    scraped,
    sent_keys,
    settings,
    source_with,
)


def test_a_secret_that_is_changed_in_the_store_is_taken_up_without_a_deployment(
    tmp_path: Path, collector: Collector, model_upstream: OpenAIUpstream
) -> None:
    """By the gateway behind an answer, and by the shard at its alarm; what was counted before is still exported."""
    collector.clear()
    source = source_with(tmp_path, again_ms=200)
    with (
        production_host(settings(model_upstream, collector), bindings=bound(SECRETS), src=source) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        assert ask(client, "before").status_code == 200
        collector.wait_for(lambda c: sent_keys(c, "/v1/metrics") == {f"otlp-{MARK}"})
        put(host, "OPENAI_API_KEY", value=f"sk-{MARK}-new")
        put(host, "OTEL_EXPORTER_OTLP_HEADERS", value=f"x-api-key=new-{MARK}")
        put(
            host, "METRICS_TOKEN", value="new-token"
        )  # last: once it opens, the others have been read as well
        eventually(lambda: scraped(client, "new-token") == 200)
        assert scraped(client, SECRETS["METRICS_TOKEN"]) == 401
        assert ask(client, "after").status_code == 200
        assert model_upstream.requests[-1].headers["authorization"] == f"Bearer sk-{MARK}-new"
        collector.wait_for(
            lambda c: all(f"new-{MARK}" in sent_keys(c, f"/v1/{signal}") for signal in ("traces", "metrics"))
        )
        collector.wait_for(lambda c: reads(c).get("changed", 0) >= 3)

        def asked() -> float:
            text = client.get("/metrics", headers={"authorization": "Bearer new-token"}).text
            counts = [
                line
                for line in text.splitlines()
                if line.startswith("http_server_request_duration_seconds_count")
            ]
            return sum(float(line.split(" ")[-1]) for line in counts if "chat/completions" in line)

        eventually(lambda: asked() == 2)
        assert MARK not in host.tail(10_000)


def test_an_isolate_that_nobody_asked_anything_reads_before_it_answers(tmp_path: Path) -> None:
    """What was put into the store long ago must not be missing from the first answer after a quiet night."""
    source = source_with(tmp_path, again_ms=300)
    with (
        production_host(VARIABLES, bindings=bound(SECRETS), src=source) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        assert scraped(client, SECRETS["METRICS_TOKEN"]) == 200
        put(host, "METRICS_TOKEN", value="new-token")
        time.sleep(1)
        assert scraped(client, "new-token") == 200


def test_what_the_store_no_longer_gives_or_gives_in_a_wrong_form_changes_nothing(
    tmp_path: Path, collector: Collector, model_upstream: OpenAIUpstream
) -> None:
    collector.clear()
    source = source_with(tmp_path, again_ms=200)
    with (
        production_host(settings(model_upstream, collector), bindings=bound(SECRETS), src=source) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
    ):
        assert client.get("/health").status_code == 200
        put(host, "METRICS_TOKEN", error="the store is not well")

        def told(event: str, name: str) -> bool:
            assert ask(client).status_code == 200
            return any(event in line and name in line for line in host.logs())

        eventually(lambda: told("secrets_not_renewed", "METRICS_TOKEN"))
        put(host, "METRICS_TOKEN", value=SECRETS["METRICS_TOKEN"])
        put(host, "SEALING_KEYS", value=f"{MARK},,")
        eventually(lambda: told("configuration_error", "SEALING_KEYS"))
        put(host, "SEALING_KEYS", value=SECRETS["SEALING_KEYS"])
        put(host, "METRICS_TOKEN", value="mended")
        eventually(lambda: scraped(client, "mended") == 200)
        collector.wait_for(lambda c: reads(c).get("failed", 0) >= 1)
        assert MARK not in host.tail(10_000)


def test_a_stream_that_began_before_a_change_ends_after_it(
    tmp_path: Path, collector: Collector, model_upstream: OpenAIUpstream
) -> None:
    """And is counted, though the gateway that began it has been replaced."""
    collector.clear()
    source = source_with(tmp_path, again_ms=100)
    model_upstream.behaviour.chunk_ms = 100
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "slowly"}]}
    with (
        production_host(settings(model_upstream, collector), bindings=bound(SECRETS), src=source) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
        client.stream("POST", "/v1/chat/completions", json=body, headers=BEARER) as answer,
    ):
        try:
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            put(host, "METRICS_TOKEN", value="new-token")
            with httpx.Client(base_url=host.url, timeout=PATIENCE_S) as other:
                eventually(lambda: scraped(other, "new-token") == 200)
            assert "data: [DONE]" in list(lines)
        finally:
            model_upstream.behaviour.chunk_ms = 0
        trace_id = answer.headers["traceresponse"].split("-")[1]
        spans = collector.trace(trace_id, with_span="POST /v1/chat/completions")
        assert attributes(spans["POST /v1/chat/completions"])["lumigate.outcome"] == "complete"
