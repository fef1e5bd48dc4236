"""No secret of the deployment or of a caller is in anything that the gateway emits or keeps; on both runtimes.

Every way to end a request is taken, by callers whose credentials can be recognised, against providers that quote the
key they were sent. Then all that was emitted and stored is searched: OTLP of both encodings as the collector
decoded it, wide events and other output, data points, answers, KV, R2 and Durable Objects.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from local.runtime.development import development_settings
from lumigate.config import Settings
from lumigate.errors import ConfigurationError
from tests.blackbox.conftest import PATIENCE
from tests.blackbox.kept import COLLECTOR, RUNTIMES, Watched
from tests.pyodide.production import production_host

CHAT = "/v1/chat/completions"
MARK = "XyZzYsEcReT"


def secret(name: str) -> str:
    return f"{MARK}-{name}-{hashlib.sha256(name.encode()).hexdigest()[:24]}"


SEALING = base64.b64encode(hashlib.sha256(b"sealing").digest()).decode()
CALLERS_KEY, JUNK_KEY, JUNK_TOKEN = secret("caller-key"), secret("junk-key"), secret("junk-token")
SECRETS: dict[str, str] = {
    "OPENAI_API_KEY": secret("openai"),
    "ANTHROPIC_API_KEY": secret("anthropic"),
    "GOOGLE_API_KEY": secret("google"),
    "COHERE_API_KEY": secret("cohere"),
    "MISTRAL_API_KEY": secret("mistral"),
    "OPENROUTER_API_KEY": secret("openrouter"),
    "WORKERS_AI_API_KEY": secret("workers-ai"),
    "ECHO_API_KEY": secret("echo"),
    "METRICS_TOKEN": secret("metrics"),
    "API_KEY_PEPPER": secret("pepper"),
    "AI_GATEWAY_TOKEN": secret("ai-gateway"),
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {secret('otlp')}",
    "LUMIGATE_OTLP_SECOND_HEADERS": f"x-api-key={secret('otlp-second')}",
    "SEALING_KEYS": f"k1:{SEALING}",
}
MODELS = {
    "good": {"provider": "openai", "model": "gpt-5-mini"},
    "claude": {"provider": "anthropic", "model": "claude-sonnet-5-5"},
    "gemini": {"provider": "google", "model": "gemini-3.8-flash"},
    "command": {"provider": "cohere", "model": "command-a-03-2025"},
    "echo": {"provider": "echo", "model": "echo"},
    "echo-anthropic": {"provider": "echoclaude", "model": "echo"},
    "echo-google": {"provider": "echogoogle", "model": "echo"},
}
REFUSALS = (400, 401, 403, 404, 408, 422, 429, 500, 503)


@contextmanager
def _echo() -> Iterator[str]:
    """A provider that quotes the credentials it is sent, with the status that the prompt asks for."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            wanted = next((s for s in REFUSALS if f"status={s};".encode() in body), 400)
            quoted = f"Incorrect API key: {dict(self.headers.items())} at {self.path}"
            answer = json.dumps(
                {"error": {"message": quoted, "type": "x", "code": quoted, "param": quoted, "status": quoted}}
            ).encode()
            self.send_response(wanted)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _settings(echo_url: str) -> dict[str, Any]:
    echoes = {"echo": "openai", "echoclaude": "anthropic", "echogoogle": "google"}
    return {
        "ENVIRONMENT": "test",
        "AI_GATEWAY_URL": "https://gateway.ai.cloudflare.com/v1/account/gateway",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "METRICS_EXPORT_SECONDS": "0.5",
        "RETRY_ATTEMPTS": "1",
        "PROVIDERS": json.dumps({name: {"base_url": echo_url, "api": api} for name, api in echoes.items()}),
        "ECHOCLAUDE_API_KEY": SECRETS["ECHO_API_KEY"],
        "ECHOGOOGLE_API_KEY": SECRETS["ECHO_API_KEY"],
        "MODELS": json.dumps(MODELS),
        "API_KEYS": f"acme:{hashlib.sha256(CALLERS_KEY.encode()).hexdigest()}",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
        "LUMIGATE_OTLP_DESTINATIONS": "second",
        "LUMIGATE_OTLP_SECOND_ENDPOINT": COLLECTOR,
        "LUMIGATE_OTLP_SECOND_PROTOCOL": "http/protobuf",
        "TENANT_LIMITS": json.dumps({"*": {"usd_per_day": 10}}),
        **SECRETS,
    }


@dataclass(kw_only=True)
class Traffic:
    """What was sent, and what came back."""

    watched: Watched
    credentials: set[str] = field(default_factory=set)
    answers: list[httpx.Response] = field(default_factory=list)

    def emitted(self) -> dict[str, bytes]:
        found = {
            f"answer to {a.request.method} {a.request.url.path}: {a.status_code} #{number}": (
                repr(a.headers.multi_items()).encode() + a.content
            )
            for number, a in enumerate(self.answers)
        }
        found["telemetry"] = self.watched.exported().encode()
        found["output"] = "\n".join(self.watched.lines()).encode()
        return found | {f"stored in {name}": kept for name, kept in self.watched.places().items()}


@pytest.fixture(scope="module", params=RUNTIMES)
def traffic(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    folder = tmp_path_factory.mktemp("secrets")
    with _echo() as echo_url, RUNTIMES[request.param](_settings(echo_url), folder) as watched:
        traffic = Traffic(watched=watched)
        _drive(traffic)
        yield traffic


def _drive(traffic: Traffic) -> None:
    watched = traffic.watched
    issuer = watched.issuer
    tokens = [
        issuer.valid(tenant="acme"),
        issuer.expired(),
        issuer.not_yet_valid(),
        issuer.foreign_issuer(),
        issuer.foreign_audience(),
        issuer.unknown_key(),
        issuer.forged(),
        issuer.tampered(),
        issuer.valid(sub="op", tenant="ops", scope="admin"),
    ]
    good, operator = tokens[0], tokens[-1]
    # Of a token that is no longer alone in the text, its signature is what gives it away.
    traffic.credentials |= {*tokens, *(token.rpartition(".")[2] for token in tokens)}
    bearer = {"authorization": f"Bearer {good}"}
    office = {"authorization": f"Bearer {operator}"}
    with httpx.Client(base_url=watched.url, timeout=PATIENCE) as client:

        def send(method: str, path: str, **options: Any) -> httpx.Response:
            answer = client.request(method, path, **options)
            traffic.answers.append(answer)
            return answer

        def ask(model: str, text: str = "hello", **more: Any) -> httpx.Response:
            body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
            return send("POST", CHAT, json=body, headers=bearer)

        for token in tokens:
            send("GET", "/v1/models", headers={"authorization": f"Bearer {token}"})
            send("GET", "/metrics", headers={"authorization": f"Bearer {token}"})
        for headers in (
            {"authorization": f"Bearer {CALLERS_KEY}"},
            {"x-api-key": CALLERS_KEY},
            {"x-api-key": JUNK_KEY},
            {"authorization": f"Bearer {JUNK_TOKEN}"},
            {"authorization": f"Basic {JUNK_TOKEN}"},
            {"authorization": f"Bearer {JUNK_TOKEN}.{JUNK_TOKEN}.{JUNK_TOKEN}"},
        ):
            send("GET", "/v1/models", headers=headers)
        assert send(
            "GET", "/metrics", headers={"authorization": f"Bearer {SECRETS['METRICS_TOKEN']}"}
        ).is_success
        for model in ("good", "claude", "gemini", "command"):
            assert ask(model).is_success, traffic.answers[-1].text
            assert ask(model, stream=True).is_success, traffic.answers[-1].text
            ask(model)  # from the cache
        for fault in ("status-500", "reset", "html", "invalid-json", "garbage"):
            for stream in (False, True):
                ask("good", f"[[mock fault={fault}]]", stream=stream)
        for fault in ("reset-mid", "error-event", "half-event"):
            ask("good", f"[[mock fault={fault}]]", stream=True)
        for model in ("echo", "echo-anthropic", "echo-google"):
            for status in REFUSALS:
                assert not ask(model, f"status={status};").is_success
                ask(model, f"status={status};", stream=True)
        send("POST", CHAT, content=b"{", headers=bearer)
        send("POST", CHAT, content=b"x", headers=bearer | {"content-type": "text/plain"})
        ask("nowhere")
        send("GET", "/nowhere", headers=bearer)
        send("DELETE", CHAT, headers=bearer)
        send("GET", "/v1/usage", headers=bearer)
        send("GET", "/admin/keys", headers=bearer)
        session = send("POST", "/sessions", json={"model": "good"}, headers=bearer)
        path = f"/sessions/{session.json()['id']}"
        send("POST", f"{path}/messages", json={"content": "some code"}, headers=bearer)
        send("GET", path, headers=bearer)
        # A new key is told once, in the answer that makes it, and nowhere else.
        made = client.post("/admin/keys", json={"tenant": "acme", "name": "n"}, headers=office)
        assert made.is_success, made.text
        key = str(made.json()["key"])
        traffic.credentials.add(key)
        send("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
        send("GET", "/admin/keys", headers=office)
        last = send("GET", "/health", headers={"authorization": f"Bearer {JUNK_TOKEN}"})
    trace_id = last.headers["traceresponse"].split("-")[1]
    watched.wait_until(lambda: any(s.trace_id.hex() == trace_id for s in watched.collector.spans()))
    watched.wait_until(lambda: bool(watched.collector.metrics()))
    watched.settled()


def test_no_secret_is_in_anything_that_is_emitted_or_kept(traffic: Traffic) -> None:
    emitted = traffic.emitted()
    assert len(emitted["telemetry"]) > 10_000
    assert len(emitted["output"]) > 10_000
    assert len(emitted["stored in kv"]) > 0
    wanted = {MARK, SEALING, *traffic.credentials}
    found = [
        (where, text[max(0, at - 80) : at + 40])
        for where, text in emitted.items()
        for secret_text in wanted
        if (at := text.find(secret_text.encode())) >= 0
    ]
    assert found == []


def test_every_class_of_outcome_was_taken(traffic: Traffic) -> None:
    statuses = {answer.status_code for answer in traffic.answers}
    assert {200, 201, 400, 401, 403, 404, 405, 415, 502} <= statuses
    outcomes = {event.get("outcome") for event in traffic.watched.events()}
    assert {"complete", "refused", "upstream_error"} <= outcomes


def test_settings_show_no_secret() -> None:
    base = development_settings(jwks_url="http://127.0.0.1:1/j", openai_base_url="http://127.0.0.1:1/v1")
    settings = Settings.from_environ(base | _settings("http://127.0.0.1:2"))
    for shown in (
        repr(settings),
        str(settings),
        f"{settings.providers}",
    ):
        assert MARK not in shown
        assert SEALING not in shown
        assert repr(base64.b64decode(SEALING))[2:-1] not in shown


@pytest.mark.parametrize("name", [*SECRETS, "API_KEYS"])
@pytest.mark.parametrize("form", ["{}", "{},,=", "[{}]", "{}\n{}"])
def test_a_secret_that_is_malformed_is_named_and_not_told(name: str, form: str) -> None:
    base = development_settings(jwks_url="http://127.0.0.1:1/j", openai_base_url="http://127.0.0.1:1/v1")
    for value in (form.replace("{}", secret("malformed")), [secret("malformed")], {"a": secret("malformed")}):
        try:
            shown = repr(Settings.from_environ(base | _settings("http://127.0.0.1:2") | {name: value}))
        except ConfigurationError as error:
            shown = str(error)
        assert MARK not in shown


def test_a_worker_that_is_not_configured_tells_no_secret() -> None:
    variables = {
        **SECRETS,
        "MODELS": f"{{{secret('models')}",
        "JWKS_URL": f"http://u:{secret('url')}@x.example",
    }
    with production_host(variables) as host, httpx.Client(base_url=host.url, timeout=PATIENCE) as client:
        answer = client.get("/health", headers={"authorization": f"Bearer {JUNK_TOKEN}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "configuration_error")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "MODELS" in host.wait_for_log("configuration_error")
        shown = answer.text + repr(answer.headers) + host.tail(10_000)
    assert MARK not in shown
