"""What is left of requests whose clients went: nothing, since Pyodide keeps for good what waits for a dead promise."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from tests.blackbox.conftest import _mocks
from tests.collector import Collector, running_collector
from tests.pyodide.production import production_host, suite_bindings
from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.stored_secrets import BEARER, SECRETS, VARIABLES, eventually

CHAT = "/v1/chat/completions"
TIMES = 5


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def upstream() -> Iterator[OpenAIUpstream]:
    with _mocks() as (running, _):
        yield running


@pytest.fixture(scope="module")
def host(collector: Collector, upstream: OpenAIUpstream) -> Iterator[PyodideHost]:
    variables = {
        **VARIABLES,
        **SECRETS,
        "OPENAI_BASE_URL": upstream.base_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    with production_host(variables, bindings=suite_bindings()) as running:
        yield running


def body(directive: str, *, stream: bool) -> dict[str, Any]:
    content = f"[[mock {directive}]] {uuid.uuid4()}"
    return {"model": "m", "messages": [{"role": "user", "content": content}], "stream": stream}


def aborted(host: PyodideHost) -> int:
    events = [json.loads(line) for line in host.logs() if line.startswith("{")]
    return sum(event.get("outcome") == "client_abort" for event in events)


def leave_in_the_middle(host: PyodideHost) -> None:
    asked = body("tokens=5000 chunk-ms=20", stream=True)
    with (
        httpx.Client(base_url=host.url, timeout=PATIENCE_S) as client,
        client.stream("POST", CHAT, json=asked, headers=BEARER) as answer,
    ):
        next(answer.iter_bytes())


def leave_before_the_answer(host: PyodideHost, upstream: OpenAIUpstream) -> None:
    asked = json.dumps(body("fault=timeout", stream=False))
    head = {
        "host": "gateway",
        "content-type": "application/json",
        "content-length": str(len(asked)),
        **BEARER,
    }
    lines = [f"POST {CHAT} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", asked]
    known = len(upstream.requests)
    with socket.create_connection(("127.0.0.1", host.ready["port"])) as connection:
        connection.sendall("\r\n".join(lines).encode())
        eventually(lambda: len(upstream.requests) > known)


def leave_in_the_body(host: PyodideHost) -> None:
    what = f"POST {CHAT}?{uuid.uuid4()}"
    head = {"host": "gateway", "content-type": "application/json", "content-length": "1000", **BEARER}
    lines = [f"{what} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", '{"model": "m", ']
    with socket.create_connection(("127.0.0.1", host.ready["port"])) as connection:
        connection.sendall("\r\n".join(lines).encode())
        eventually(lambda: any(one.get("what") == what for one in host.state()["invocations"]))


def test_a_client_that_left_leaves_nothing_behind(host: PyodideHost, upstream: OpenAIUpstream) -> None:
    """The task that served it is unwound at the hang-up: nothing else would, and its memory would never come back."""
    known = aborted(host)
    for _ in range(TIMES):
        leave_in_the_middle(host)
        leave_before_the_answer(host, upstream)
        leave_in_the_body(host)
    eventually(lambda: aborted(host) == known + 3 * TIMES)
    eventually(lambda: upstream.open_requests == 0)
    eventually(lambda: host.unfinished_tasks() == [])
    assert not [line for line in host.logs(level="error") if "hung" in line or "Uncaught" in line]
