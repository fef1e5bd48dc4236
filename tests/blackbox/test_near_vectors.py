"""Questions in other words, by vectors of a real model: Workers AI and Vectorize on Workers, a provider embedded."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from local.mocks.issuer import Issuer
from local.runtime.development import development_settings
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from lumigate.cache.key import namespace_of, short_hash
from tests.blackbox.conftest import PATIENCE, SETTINGS, _mocks
from tests.cache.near.make_vectors import DIMENSIONS, vector_of
from tests.pyodide.production import declared_bindings, production_host
from tests.pyodide.runner import PyodideHost

CHAT = "/v1/chat/completions"
MODEL = "@cf/baai/bge-small-en-v1.5"
OPENAI = {"provider": "openai", "model": "gpt-4o-mini"}
OWN = {
    "CACHE_NEAR_VECTORS": "true",
    "CACHE_NEAR_VECTORS_BUDGET_MS": "10000",
    "CACHE_NEAR_EMBEDDING_MODEL": "vectors",
}
INDEX = {"binding": "VECTORS", "dimensions": DIMENSIONS, "metadata_indexes": ["place"], "delay_ms": 50}


class Embedder(BaseHTTPRequestHandler):
    """A model whose answers were computed before: in OpenAI's form, and in that of the binding of Workers AI."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = body["text"] if "text" in body else body["input"]
        vector = [value / 127 for value in vector_of(text)]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        answer: dict[str, Any] = {
            "data": [{"object": "embedding", "index": 0, "embedding": vector}],
            "usage": usage,
        }
        if self.path.startswith("/run/"):
            answer = {"shape": [1, len(vector)], "data": [vector], "pooling": "mean"}
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


class Stage:
    """A running gateway, and how many vectors it has of a namespace."""

    def __init__(self, url: str, issuer: Issuer, vectors: Callable[[str], int]) -> None:
        self.url, self.issuer, self._count = url, issuer, vectors

    def headers(self, tenant: str, **claims: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.issuer.valid(tenant=tenant, **claims)}"}

    def ask(self, text: str, tenant: str, **more: Any) -> httpx.Response:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}
        answer = httpx.post(f"{self.url}{CHAT}", json=body, headers=self.headers(tenant), timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer

    def vectors(self, tenant: str) -> int:
        return self._count(short_hash(namespace_of(tenant, shared=False)))

    def wait_for(self, tenant: str, count: int) -> None:
        """What is learnt is learnt in the background, and seen a little later."""
        deadline = time.monotonic() + PATIENCE
        while (there := self.vectors(tenant)) != count:
            assert time.monotonic() < deadline, f"{there} vectors of {tenant}, not {count}"
            time.sleep(0.05)


@contextmanager
def embedder() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Embedder) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def embedded(model_url: str) -> Iterator[Stage]:
    models = {"gpt-4o-mini": OPENAI, "vectors": {"provider": "minilm", "model": MODEL}}
    own = {"MODELS": json.dumps(models), "PROVIDERS": json.dumps({"minilm": {"base_url": f"{model_url}/v1"}})}
    runtime = EmbeddedRuntime({**SETTINGS, **OWN, **own, "MINILM_API_KEY": "sk-minilm"})
    with run_in_thread(runtime):
        index = runtime.ports.vectors
        assert index is not None
        yield Stage(runtime.url, runtime.issuer, index.count)


def host_of(settings: Mapping[str, Any], **bindings: Any) -> PyodideHost:
    return production_host(
        {name: value for name, value in settings.items() if value is not None},
        bindings=declared_bindings() | bindings,
    )


@contextmanager
def pyodide(model_url: str) -> Iterator[Stage]:
    with ExitStack() as stack:
        upstream, issuer = stack.enter_context(_mocks())
        settings = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        models = {"gpt-4o-mini": OPENAI, "vectors": {"provider": "workers_ai", "model": MODEL}}
        settings |= {**SETTINGS, **OWN, "MODELS": json.dumps(models), "WORKERS_AI_BASE_URL": None}
        bindings = {"vectorize": [INDEX], "ai": {"binding": "AI", "url": model_url}}
        host = stack.enter_context(host_of(settings, **bindings))

        def count(namespace: str) -> int:
            kept = host.state()["bindings"]["VECTORS"].values()
            return sum(vector["namespace"] == namespace for vector in kept)

        yield Stage(host.url, issuer, count)


@pytest.fixture(scope="module", params=[embedded, pyodide], ids=["embedded", "pyodide"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with embedder() as url, request.param(url) as running:
        yield running


def test_a_question_in_other_words_is_answered_and_another_question_is_not(stage: Stage) -> None:
    first = stage.ask("Who wrote Hamlet?", "words")
    stage.wait_for("words", 1)
    second = stage.ask("Who is the author of Hamlet?", "words")
    assert first.headers["x-lumigate-cache"] == "miss"
    assert second.headers["x-lumigate-cache"] in ("near-l1", "near-l2")
    assert second.content == first.content
    for other in ("Who wrote Macbeth?", "When was Hamlet written?"):
        assert stage.ask(other, "words").headers["x-lumigate-cache"] == "miss"
    assert stage.ask("Who is the author of Hamlet?", "words", seed=1).headers["x-lumigate-cache"] == "miss"


def test_tenants_never_share_what_means_the_same(stage: Stage) -> None:
    stage.ask("Why is the sky blue?", "red")
    stage.wait_for("red", 1)
    assert stage.ask("What makes the sky blue?", "blue").headers["x-lumigate-cache"] == "miss"
    assert stage.ask("What makes the sky blue?", "red").headers["x-lumigate-cache"].startswith("near-")


def test_what_is_bound_to_the_eu_leaves_no_vector(stage: Stage) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Explain monads"}]}
    bound = {**stage.headers("berlin"), "x-lumigate-region": "eu"}
    httpx.post(f"{stage.url}{CHAT}", json=body, headers=bound, timeout=PATIENCE)
    stage.ask("Define entropy", "berlin")  # asked later, so it is there later
    stage.wait_for("berlin", 1)


def test_erasing_a_tenant_takes_its_vectors_out(stage: Stage) -> None:
    stage.ask("How tall is Mount Everest?", "erased")
    stage.wait_for("erased", 1)
    admin = stage.headers("ops", scope="admin")
    erase = {"tenant": "erased", "erase": True}
    told = httpx.post(f"{stage.url}/admin/cache/purge", json=erase, headers=admin, timeout=PATIENCE)
    assert told.json()["more"] is False
    stage.wait_for("erased", 0)
    asked = stage.ask("What is the height of Mount Everest?", "erased")
    assert asked.headers["x-lumigate-cache"] == "miss"


def test_without_the_binding_a_worker_says_what_is_missing() -> None:
    with embedder() as url, _mocks() as (upstream, issuer):
        settings = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        models = {"gpt-4o-mini": OPENAI, "vectors": OPENAI}
        settings |= {**SETTINGS, **OWN, "MODELS": json.dumps(models)}
        with host_of(settings, ai={"binding": "AI", "url": url}) as host:
            answer = httpx.get(f"{host.url}/health", timeout=PATIENCE)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "configuration_error")
            assert "VECTORS, a Vectorize index" in host.wait_for_log("CACHE_NEAR_VECTORS")
