"""Workers AI over its binding, from a caller to the model and back."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.pyodide.production import declared_bindings, production_host
from tests.pyodide.runner import PATIENCE_S, PyodideHost

MODEL = "@cf/meta/llama-3.1-8b-instruct"
KEY = "workers-ai-test"


class Models(ThreadingHTTPServer):
    """Answers as the binding's service does; a prompt of `slow` waits until the caller has gone."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.left = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Models

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        prompt = body["messages"][-1]["content"]
        if prompt == "slow":
            self.connection.settimeout(60)
            if not self.connection.recv(1):
                self.server.left.set()
            return
        if prompt == "dribble":
            self._dribble()
            return
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        if body.get("stream"):
            events = ({"response": "Hel"}, {"response": "lo"}, {"response": "", "usage": usage})
            lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
            self._answer("text/event-stream", b"".join([*lines, b"data: [DONE]\n\n"]))
        else:
            self._answer("application/json", json.dumps({"response": "Hello", "usage": usage}).encode())

    def _dribble(self) -> None:
        """A byte now and then, well within every idle timeout, for as long as anybody listens."""
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "100000")
        self.end_headers()
        try:
            for _ in range(600):
                self.wfile.write(b" ")
                time.sleep(0.1)
        except OSError:
            self.server.left.set()

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    with Models() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def host_of(models: Models, **more: str) -> PyodideHost:
    variables = {
        "API_KEYS": f"acme:{hashlib.sha256(KEY.encode()).hexdigest()}",
        "MODELS": {"llama": {"provider": "workers_ai", "model": MODEL}},
        "RETRY_ATTEMPTS": "1",
        **more,
    }
    bindings = declared_bindings() | {"ai": {"binding": "AI", "url": models.url}}
    return production_host(variables, bindings=bindings)


@pytest.fixture(scope="module")
def host(models: Models) -> Iterator[PyodideHost]:
    with host_of(models) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(models: Models) -> Iterator[PyodideHost]:
    """For models that are late; with those that are not, a busy machine would be taken for one."""
    with host_of(models, UPSTREAM_TIMEOUT_SECONDS="0.5", REQUEST_DEADLINE_SECONDS="1") as running:
        yield running


def ask(host: PyodideHost, prompt: str, **more: Any) -> httpx.Response:
    body = {"model": "llama", "messages": [{"role": "user", "content": prompt}], **more}
    headers = {"authorization": f"Bearer {KEY}", "cache-control": "no-store"}
    return httpx.post(f"{host.url}/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE_S)


def test_a_model_of_the_platform_answers_through_the_binding(host: PyodideHost, models: Models) -> None:
    answer = ask(host, "hello", max_tokens=7)
    assert (answer.status_code, answer.json()["choices"][0]["message"]["content"]) == (200, "Hello")
    assert answer.json()["usage"]["total_tokens"] == 5
    path, body = models.asked[-1]
    assert (path, body["max_tokens"]) == (f"/run/{MODEL}", 7)


def test_its_stream_is_passed_on_in_the_callers_words(host: PyodideHost) -> None:
    answer = ask(host, "hello", stream=True)
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    deltas = [choice["delta"] for event in events[:-1] for choice in json.loads(event)["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"


def test_a_model_that_is_late_is_told_to_stop(impatient: PyodideHost, models: Models) -> None:
    models.left.clear()
    answer = ask(impatient, "slow")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert models.left.wait(PATIENCE_S)


def test_a_model_that_dribbles_is_given_up_at_the_deadline(impatient: PyodideHost, models: Models) -> None:
    models.left.clear()
    answer = ask(impatient, "dribble")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert models.left.wait(PATIENCE_S)


@pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["whole", "stream"])
@pytest.mark.parametrize("cached", [False, True], ids=["asked", "cached"])
def test_no_call_leaves_a_proxy_behind(host: PyodideHost, more: dict[str, Any], cached: bool) -> None:
    """A leaked proxy keeps its Python objects alive for as long as the isolate lives."""
    headers = {} if cached else {"cache-control": "no-store"}

    def call() -> None:
        body = {"model": "llama", "messages": [{"role": "user", "content": "leak?"}], **more}
        sent = headers | {"authorization": f"Bearer {KEY}"}
        assert (
            httpx.post(
                f"{host.url}/v1/chat/completions", json=body, headers=sent, timeout=PATIENCE_S
            ).status_code
            == 200
        )

    call()
    before = host.live_proxies()
    for _ in range(20):
        call()
    # A flush that is still under way, and the last answer's own ending, hold some; none of them grows with the calls.
    assert host.proxies_left(before + 5) <= before + 5
