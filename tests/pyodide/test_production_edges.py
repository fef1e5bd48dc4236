"""The Worker as deployed, where its inputs are odd and its moments unlucky."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.collector import Collector, running_collector
from tests.pyodide.production import ROOT, production_host
from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.stored_secrets import eventually
from tests.pyodide.test_production import VARIABLES
from tests.pyodide.upstream import Upstream

WORKER = ROOT / "tests" / "pyodide" / "workers" / "adapters.py"
KEY = "lmg_edges_key"
OF_EVERY_OBJECT = (
    "constructor",
    "__proto__",
    "__defineGetter__",
    "hasOwnProperty",
    "isPrototypeOf",
    "toLocaleString",
    "toString",
    "valueOf",
    "length",
    "size",
    "then",
    "get",
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def host() -> Iterator[PyodideHost]:
    hashed = hashlib.sha256(KEY.encode()).hexdigest()
    with production_host({**VARIABLES, "API_KEYS": f"acme:{hashed}"}) as running:
        yield running


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The adapters by themselves, behind one route each."""
    source = tmp_path_factory.mktemp("adapters") / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(WORKER, source / WORKER.name)
    shutil.copyfile(WORKER.with_name("router.py"), source / "router.py")
    with (
        production_host({}, main=WORKER.name, src=source, bindings={}) as running,
        httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.mark.parametrize("name", OF_EVERY_OBJECT)
def test_a_header_may_be_called_like_a_member_of_every_object(host: PyodideHost, name: str) -> None:
    """`constructor: x` made Pyodide see no plain object in the headers, and the answer was a bare 500."""
    answer = httpx.get(f"{host.url}/health", headers={name: "x"}, timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("value", [b"\xe9", b"\xff\xfe", b"%", b"\x80" * 200, b",;=", b"00-0-0-0"])
@pytest.mark.parametrize(
    "name", ["traceparent", "tracestate", "baggage", "user-agent", "x-conversation-id", "origin"]
)
def test_a_header_may_hold_any_bytes(host: PyodideHost, name: str, value: bytes) -> None:
    assert (
        httpx.get(f"{host.url}/health", headers=[(name.encode(), value)], timeout=PATIENCE_S).status_code
        == 200
    )


def test_an_answer_from_upstream_may_have_such_headers_too(
    adapters: httpx.Client, upstream: Upstream
) -> None:
    for route in ("/fetched", "/posted"):
        answer = adapters.get(route, params={"url": f"{upstream.url}/named?name=constructor"})
        assert (answer.status_code, answer.json()["constructor"]) == (200, "odd")


def test_a_slow_reader_is_not_taken_for_a_silent_upstream(adapters: httpx.Client, upstream: Upstream) -> None:
    """The idle limit is on the sender: a client that takes its time must not fail the provider."""
    params = {"url": f"{upstream.url}/chunks?n=3&s=0", "idle": "1.5", "pause": "2"}
    answer = adapters.get("/slowly", params=params)
    assert (answer.status_code, answer.text) == (200, "".join(f"chunk {n}\n" for n in range(3)))


def test_an_upstream_that_falls_silent_is_still_noticed(adapters: httpx.Client, upstream: Upstream) -> None:
    params = {"url": f"{upstream.url}/chunks?n=3&s=20", "idle": "0.3", "pause": "0"}
    answer = adapters.get("/slowly", params=params)
    assert (answer.status_code, answer.text) == (599, "StreamInterrupted: timeout: Error")


def test_a_client_that_left_before_anybody_listened_is_noticed(adapters: httpx.Client) -> None:
    assert adapters.get("/left").text == "told"


def died(**other: Any) -> dict[str, Any]:
    return {
        "scriptName": "lumigate",
        "outcome": "exceededCpu",
        "event": {"request": {"method": "GET"}},
        **other,
    }


def test_what_the_tail_worker_could_not_deliver_is_delivered_when_others_have_ended_well(
    collector: Collector,
) -> None:
    """Otherwise the story of a death would wait for the next death."""
    collector.clear()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
    with production_host(variables, main="tail.py", bindings={}) as host:
        collector.is_down = True
        assert host.control("tail", events=[died()]) == {"outcome": "ok"}
        assert collector.turned_away
        collector.is_down = False
        deadline = time.monotonic() + PATIENCE_S
        while not collector.spans() and time.monotonic() < deadline:
            assert host.control("tail", events=[{"outcome": "ok"}]) == {"outcome": "ok"}
            time.sleep(0.1)
    assert [span.name for span in collector.spans()] == ["lost fetch"]
    assert collector.refused == []


def test_no_shape_of_a_tail_event_hides_the_others(collector: Collector) -> None:
    collector.clear()
    odd: list[Any] = [
        {},
        died(logs=7, exceptions="none"),
        died(
            logs=[
                {"timestamp": "late", "level": 5, "message": {"toString": 1}},
                None,
                {"message": [None, {}, 1]},
            ]
        ),
        died(eventTimestamp=-5, wallTime=1e300, cpuTime=None),
        died(event={"request": {"url": "http://[", "method": 5, "headers": []}}),
        died(event={"request": {"headers": {"constructor": "x", "traceparent": "x" * 9000}}}),
        died(
            eventTimestamp=1e308, exceptions=[{"timestamp": 1e308, "name": None, "message": 5, "stack": []}]
        ),
    ]
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with production_host(variables, main="tail.py", bindings={}) as host:
        assert host.control("tail", events=odd) == {"outcome": "ok"}
    collector.wait_for(lambda c: len([s for s in c.spans() if s.name.startswith("lost ")]) >= len(odd) - 1)
    assert collector.refused == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("at", [0, 1, 60])
def test_a_request_that_is_cut_at_any_byte_of_its_body_is_no_failure_of_ours(
    host: PyodideHost, at: int, chunked: bool
) -> None:
    body = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}'
    host.wait_for_state(lambda state: not state["invocations"])
    before = len(outcomes(host))
    connection = http.client.HTTPConnection("127.0.0.1", host.ready["port"], timeout=PATIENCE_S)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("authorization", f"Bearer {KEY}")
    connection.putheader("content-type", "application/json")
    if chunked:
        connection.putheader("transfer-encoding", "chunked")
        connection.endheaders(b"%x\r\n%s\r\n" % (at, body[:at]) if at else b"")
    else:
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body[:at])
    host.wait_for_state(lambda state: bool(state["invocations"]))
    connection.close()
    eventually(lambda: len(outcomes(host)) > before)
    assert outcomes(host)[before:] == [(499, "client_abort")]
    assert httpx.get(f"{host.url}/health", timeout=PATIENCE_S).status_code == 200


def outcomes(host: PyodideHost) -> list[tuple[int, str]]:
    """Of the requests for an answer."""
    events = [json.loads(line) for line in host.logs() if line.startswith('{"event":"request"')]
    return [
        (event["status"], event["outcome"]) for event in events if event["route"] == "/v1/chat/completions"
    ]
