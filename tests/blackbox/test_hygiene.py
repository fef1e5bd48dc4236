"""Answers are data, heads are bounded, browsers are let in by setting, redirects lead nowhere; on every runtime."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import PATIENCE, Stage
from tests.blackbox.kept import RUNTIMES, Watched

CHAT = "/v1/chat/completions"
APP = "https://app.example"
PAGE = "<html><script>alert(document.domain)</script></html>"
DATA = ("application/json", "text/event-stream", "text/plain", "application/openmetrics-text")


def asked(text: str, model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


# --- every answer


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/health", None),
        ("GET", "/v1/models", None),
        ("GET", "/v1/usage", None),
        ("GET", "/metrics", None),
        ("GET", f"/{PAGE}", None),
        ("GET", "/sessions/ses_x", None),
        ("POST", CHAT, asked(f"code {PAGE}")),
        ("POST", CHAT, asked(PAGE, stream=True)),
        ("POST", CHAT, asked("x", model=PAGE)),
        ("POST", CHAT, PAGE),
        ("POST", "/v1/messages", {"model": PAGE, "max_tokens": 1, "messages": []}),
        ("POST", "/sessions", {"model": PAGE}),
        ("DELETE", CHAT, None),
        ("OPTIONS", CHAT, None),
    ],
)
def test_an_answer_is_private_data_and_never_a_page(
    stage: Stage, http: httpx.Client, method: str, path: str, body: Any
) -> None:
    answer = http.request(method, path, json=body, headers=stage.headers())
    assert answer.headers["content-type"].partition(";")[0] in DATA
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cache-control"] in ("no-store", "no-cache")
    assert answer.status_code < 500


# --- bounds


def test_an_address_that_is_too_long_is_refused(http: httpx.Client) -> None:
    for path in (f"/{'x' * 9000}", f"/health?{'x' * 9000}"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (414, "url_too_long")


@pytest.mark.parametrize(
    "headers", [{"x-long": "x" * 40_000}, {f"x-{n}": "y" for n in range(300)}], ids=["large", "many"]
)
def test_headers_that_are_too_many_or_too_large_are_refused(
    http: httpx.Client, headers: dict[str, str]
) -> None:
    answer = http.get("/health", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (431, "headers_too_large")
    assert http.get("/health").status_code == 200


def test_a_head_that_never_ends_is_cut_off(staged: Stage) -> None:
    with httpx.Client(base_url=staged.url, timeout=PATIENCE) as client:
        try:
            status = client.get("/health", headers={"x-long": "x" * 400_000}).status_code
        except httpx.TransportError:  # the connection was closed while it was being sent
            status = 431
    assert status in (400, 431)
    assert httpx.get(f"{staged.url}/health", timeout=PATIENCE).status_code == 200


# --- redirects, addresses of callers


@dataclass(kw_only=True)
class Web:
    """A server that sends everyone elsewhere, and one that must never be asked."""

    url: str
    trap_url: str
    trapped: list[str] = field(default_factory=list)
    redirected: list[str] = field(default_factory=list)


@contextmanager
def _web() -> Iterator[Web]:
    class Trap(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.trapped.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.end_headers()

        do_POST = do_HEAD = do_GET  # noqa: N815 - names of `http.server`

        def log_message(self, *_: Any) -> None:
            pass

    class Elsewhere(Trap):
        def do_GET(self) -> None:
            web.redirected.append(self.path)
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status = next((s for s in (301, 302, 303, 307, 308) if f"/{s}" in self.path), 307)
            self.send_response(status)
            self.send_header("location", f"{web.trap_url}{self.path}")
            self.send_header("content-length", "0")
            self.end_headers()

        do_POST = do_HEAD = do_GET  # noqa: N815 - names of `http.server`

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (Elsewhere, Trap)]
    urls = [f"http://127.0.0.1:{server.server_port}" for server in servers]
    web = Web(url=urls[0], trap_url=urls[1])
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield web
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)


STATUSES = (301, 302, 303, 307, 308)


def _settings(web: Web) -> dict[str, Any]:
    providers = {f"p{status}": {"base_url": f"{web.url}/{status}"} for status in STATUSES}
    return {
        "ENVIRONMENT": "test",
        "SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "METRICS_VIA": "otlp",
        "RETRY_ATTEMPTS": "1",
        "CORS_ORIGINS": APP,
        "HSTS_MAX_AGE_SECONDS": "60",
        "PROVIDERS": json.dumps(providers),
        "MODELS": json.dumps(
            {name: {"provider": name, "model": "m"} for name in providers}
            | {"here": {"provider": "openai", "model": "m"}}
        ),
        "JWT_ISSUERS": json.dumps(
            [{"issuer": "https://moved.example/", "jwks_url": f"{web.url}/302/jwks", "audience": "lumigate"}]
        ),
        "LUMIGATE_OTLP_DESTINATIONS": "moved",
        "LUMIGATE_OTLP_MOVED_ENDPOINT": f"{web.url}/307/otlp",
    }


@pytest.fixture(scope="module", params=RUNTIMES)
def moved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Watched, Web]]:
    folder: Path = tmp_path_factory.mktemp("moved")
    with _web() as web, RUNTIMES[request.param](_settings(web), folder) as running:
        yield running, web


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_redirects_is_not_followed(
    moved: tuple[Watched, Web], status: int, stream: bool
) -> None:
    watched, web = moved
    body = asked("hello", model=f"p{status}", stream=stream)
    answer = httpx.post(f"{watched.url}{CHAT}", json=body, headers=watched.headers(), timeout=PATIENCE)
    assert answer.status_code == 502
    assert any(f"/{status}" in path for path in web.redirected)
    assert web.trapped == []
    assert web.trap_url not in answer.text


def test_a_key_set_that_redirects_is_not_followed(moved: tuple[Watched, Web]) -> None:
    watched, web = moved
    token = watched.issuer.valid(iss="https://moved.example/")
    answer = httpx.get(
        f"{watched.url}/v1/models", headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "keys_unavailable")
    assert "/302/jwks" in web.redirected
    assert web.trapped == []


def test_a_collector_that_redirects_is_not_followed(moved: tuple[Watched, Web]) -> None:
    watched, web = moved
    httpx.get(f"{watched.url}/health", timeout=PATIENCE)
    watched.wait_until(lambda: any("/otlp" in path for path in web.redirected))
    assert web.trapped == []


def test_the_address_of_an_image_goes_to_the_provider_and_is_never_fetched(
    moved: tuple[Watched, Web],
) -> None:
    watched, web = moved
    for url in (f"{web.trap_url}/{uuid.uuid4().hex}.png", "http://169.254.169.254/latest/meta-data"):
        content = [{"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": url}}]
        body = {"model": "here", "messages": [{"role": "user", "content": content}]}
        answer = httpx.post(f"{watched.url}{CHAT}", json=body, headers=watched.headers(), timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        assert any(url.encode() in request.body for request in list(watched.upstream.requests))
    assert web.trapped == []


def test_the_keys_that_a_token_names_are_never_fetched(moved: tuple[Watched, Web]) -> None:
    watched, web = moved
    for name in ("jku", "x5u"):
        token = watched.issuer.valid(header={"alg": "RS256", "kid": "k1", name: f"{web.trap_url}/{name}"})
        answer = httpx.get(
            f"{watched.url}/v1/models", headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE
        )
        assert answer.status_code == 401
    assert web.trapped == []


# --- browsers


def test_a_browser_of_a_named_origin_is_let_in_and_no_other(moved: tuple[Watched, Web]) -> None:
    watched, _ = moved
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    with httpx.Client(base_url=watched.url, timeout=PATIENCE) as client:
        allowed = client.options(CHAT, headers={"origin": APP, **asking})
        refused = client.options(CHAT, headers={"origin": "https://evil.example", **asking})
        answer = client.post(CHAT, json=asked("x", "here"), headers=watched.headers(origin=APP))
        other = client.get("/health", headers={"origin": "https://evil.example"})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, APP)
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin_refused")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == APP
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    for reply in (allowed, refused, answer, other):
        assert "origin" in reply.headers["vary"]
        assert reply.headers["strict-transport-security"].startswith("max-age=60")
    for reply in (refused, other):
        assert "access-control-allow-origin" not in reply.headers
    told = watched.event(allowed.headers["x-request-id"])
    assert (told["method"], told["route"], told["outcome"]) == ("OPTIONS", CHAT, "complete")
