from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import gateway, gateway_load, gateway_processes, gateway_servers
from bench.gateway_load import Order
from bench.gateway_servers import Server, Unavailable
from bench.gateway_upstream import CHUNKS, MODEL
from local.mocks.wire import Exchange, WireRequest, WireServer


@pytest.fixture
def mock() -> Iterator[Server]:
    with gateway_servers.upstream() as server:
        yield server


def order(url: str, *, stream: bool = False, connections: int = 2) -> Order:
    return Order(
        url=f"{url}/v1/chat/completions",
        headers={"x-test": "1"},
        body={"model": MODEL, "stream": stream},
        connections=connections,
        seconds=0.2,
        warm_seconds=0.05,
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_the_mock_answers_whole_and_as_a_stream_of_many_chunks(mock: Server, stream: bool) -> None:
    load = await gateway_load.run(order(mock.url, stream=stream))
    assert not load.failures
    assert load.sent > load.requests > 0
    assert 0 < load.p50_ms <= load.p99_ms
    assert (load.answer_bytes > CHUNKS * 100) == stream


async def test_every_prompt_is_another() -> None:
    prompts: list[str] = []

    async def handler(request: WireRequest, exchange: Exchange) -> None:
        body = json.loads(request.body)
        assert (body["model"], request.headers["x-test"]) == (MODEL, "1")
        prompts.append(body["messages"][0]["content"])
        exchange.respond(200, b"{}")

    async with WireServer(handler) as server:
        load = await gateway_load.run(order(server.url))
    assert not load.failures
    assert len(set(prompts)) == len(prompts) > 1


async def test_bad_answers_are_counted_as_failures_with_a_sample_and_never_as_requests() -> None:
    async def handler(request: WireRequest, exchange: Exchange) -> None:
        exchange.respond(429, b'{"error": "slow down"}')

    async with WireServer(handler) as server:
        load = await gateway_load.run(order(server.url))
    assert load.requests == 0
    assert load.failures["status 429"] == load.sent
    assert load.sample == '{"error": "slow down"}'


async def test_an_error_inside_a_stream_is_a_failure_though_its_status_is_good() -> None:
    async def handler(request: WireRequest, exchange: Exchange) -> None:
        exchange.respond(200, b'data: {"error": {"message": "broken"}}\n\n')

    async with WireServer(handler) as server:
        load = await gateway_load.run(order(server.url))
    assert load.failures
    assert load.requests == 0


def test_a_process_that_runs_has_cpu_time_and_memory(mock: Server) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("there is no /proc here")
    _, cpu_ms = gateway.loaded(mock, order(mock.url))
    assert cpu_ms is not None
    assert cpu_ms >= 0
    assert (gateway_processes.memory_mb(mock.pid) or 0) > 5
    assert gateway_processes.cpu_seconds(2**30) is None


def test_a_server_that_does_not_answer_well_is_no_figure(mock: Server) -> None:
    nobody = Server(name="nobody", url="http://127.0.0.1:1", pid=mock.pid)
    with pytest.raises(Unavailable):
        gateway.loaded(nobody, order(nobody.url))


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = list(range(100, 0, -1))
    assert gateway_load.quantile(values, 0.5) == 51
    assert gateway_load.quantile(values, 0.99) == 100
    assert gateway_load.quantile([7], 0.99) == 7
    assert gateway_load.quantile([], 0.5) == 0


def figure(server: str, mode: str, rps: float, added_ms: float) -> gateway.Figure:
    return gateway.Figure(
        server=server,
        mode=mode,
        rps=rps,
        p50_ms=added_ms,
        p99_ms=added_ms,
        first_byte_p50_ms=1,
        added_p50_ms=added_ms,
        added_p99_ms=added_ms,
        cpu_ms=None,
    )


def test_a_ratio_above_one_says_that_ours_is_better() -> None:
    figures = [
        figure(server, mode, rps, added)
        for mode in gateway.MODES
        for server, rps, added in (
            ("mock", 1000, 0),
            ("Lumigate", 300, 2),
            ("Slow", 100, 6),
            ("Fast", 600, 1),
        )
    ]
    found = gateway.ratios(figures, {"Lumigate": 100.0, "Slow": 400.0, "Fast": None})
    assert found["Slow"]["whole_rps"] == found["Slow"]["stream_added_p99"] == 3
    assert found["Slow"]["memory"] == 4
    assert found["Fast"]["whole_rps"] == found["Fast"]["alone_added_p50"] == 0.5
    assert "memory" not in found["Fast"]
    assert "mock" not in found


def test_rivals_that_are_not_to_be_had_are_named_and_the_report_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(mock: Server) -> Any:
        raise Unavailable("no registry in reach")

    monkeypatch.setattr(gateway, "litellm", missing)
    monkeypatch.setattr(gateway, "portkey", missing)
    monkeypatch.setattr(gateway, "WARM_UP_SECONDS", 0.2)
    monkeypatch.setattr(gateway, "RESULTS", tmp_path / "results" / "gateway.json")
    monkeypatch.setattr(gateway, "_overhead", lambda mock, seconds, missing: iter(()))
    assert gateway.run(1, 0.3, as_json=False, save=True) == 0
    said = capsys.readouterr()
    assert "LiteLLM is missing: no registry in reach" in said.out
    assert "Lumigate" in said.out
    stored = json.loads((tmp_path / "results" / "gateway.json").read_text())
    assert stored["missing"] == dict.fromkeys(("LiteLLM", "Portkey"), "no registry in reach")
    assert {row["server"] for row in stored["figures"]} == {"mock", "Lumigate"}
