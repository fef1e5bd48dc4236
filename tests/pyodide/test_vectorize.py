"""The adapter over the binding leaves nothing behind, and an index of another size fails no request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import _mocks
from tests.blackbox.test_near_vectors import INDEX, MODEL, OPENAI, OWN, embedder
from tests.pyodide.production import declared_bindings, production_host
from tests.pyodide.runner import PATIENCE_S, PyodideHost

KEY = "lmg_vectors"
SMALL = {**INDEX, "dimensions": 3}


@pytest.fixture(scope="module", params=[INDEX, SMALL], ids=["fits", "too small"])
def host(request: pytest.FixtureRequest) -> Iterator[PyodideHost]:
    with embedder() as url, _mocks() as (upstream, _):
        variables: dict[str, Any] = OWN | {
            "API_KEYS": f"acme:{hashlib.sha256(KEY.encode()).hexdigest()}",
            "CACHE_NEAR_THRESHOLD": "0.8",
            "OPENAI_BASE_URL": upstream.base_url,
            "OPENAI_API_KEY": "sk-mock",
            "ENVIRONMENT": "test",
            "MODELS": json.dumps(
                {"gpt-4o-mini": OPENAI, "vectors": {"provider": "workers_ai", "model": MODEL}}
            ),
        }
        bindings = declared_bindings() | {
            "vectorize": [request.param],
            "ai": {"binding": "AI", "url": url},
        }
        with production_host(variables, bindings=bindings) as running:
            yield running


def ask(host: PyodideHost, text: str) -> str:
    """Never kept, so that every call goes to the index."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
    headers = {"authorization": f"Bearer {KEY}", "x-lumigate-cache-ttl": "0"}
    answer = httpx.post(f"{host.url}/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-lumigate-cache"]


def test_no_lookup_leaves_a_proxy_behind(host: PyodideHost) -> None:
    """A leaked proxy keeps its Python objects alive for as long as the isolate lives."""
    assert ask(host, "Who wrote Hamlet?") == "miss"
    before = host.live_proxies()
    for _ in range(20):
        assert ask(host, "Who wrote Hamlet?") == "miss"
    # A flush that is still under way, and the last answer's own ending, hold some; none of them grows with the calls.
    assert host.proxies_left(before + 5) <= before + 5
