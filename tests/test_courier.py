"""Deltas on their way to the shard: kept until acknowledged, under the same number, counted once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lumigate import catalog
from lumigate.courier import MetricsCourier
from lumigate.instruments import Instruments
from lumigate.metrics_settings import MetricsSettings
from lumigate.ports import CounterShard
from lumigate.shard.outbox import LIFETIME_NS
from lumigate.shard.service import ShardService
from lumigate.telemetry import Telemetry, TelemetryConfig
from tests.fakes import FakePorts, fake_ports, make_settings


class FlakyShard:
    """A real shard behind an RPC that fails when told to: before it stored, or after."""

    def __init__(self, ports: FakePorts, connection: sqlite3.Connection) -> None:
        self.service = ShardService(
            "shard-0",
            lambda sql, *parameters: connection.execute(sql, parameters).fetchall(),
            settings=MetricsSettings(scrape_hold_seconds=0).shard_settings(),
            telemetry=TelemetryConfig(),
            resource={},
            clock=ports.clock,
            entropy=ports.entropy,
        )
        self.fault = ""
        self.answer: dict[str, Any] | None = None

    async def push(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.fault == "silent":
            await asyncio.Event().wait()
        if self.fault == "before":
            raise ConnectionError("the shard is being moved")
        if self.answer is not None:
            return self.answer
        answer = self.service.push(batch)
        if self.fault == "after":
            raise ConnectionError("the answer was lost")
        return answer

    async def scrape(self, form: Mapping[str, Any]) -> str:
        return self.service.scrape(form)


class Rig:
    def __init__(self, connection: sqlite3.Connection, **settings: Any) -> None:
        self.ports = fake_ports()
        self.shard = FlakyShard(self.ports, connection)
        self.ports.shards["shard-0"] = self.shard
        self.telemetry = Telemetry(
            make_settings().telemetry,
            clock=self.ports.clock,
            entropy=self.ports.entropy,
            metrics=catalog.METRICS,
        )
        self.instruments = Instruments(self.telemetry)
        self.courier = MetricsCourier(
            self.telemetry,
            self.instruments,
            MetricsSettings(**settings),
            clock=self.ports.clock,
            entropy=self.ports.entropy,
        )

    async def flush(self) -> None:
        host = self.courier.host(self.ports)
        assert host.on_flush is not None
        await host.on_flush()

    def total(self, name: str = "lumigate_heartbeat_total") -> float:
        """What a scraper reads, after the zero it is shown first."""
        form = {"open_metrics": False, "utf8": False, "version": "0.0.4"}
        self.shard.service.scrape(form)
        self.ports.clock.advance(1)
        text = self.shard.service.scrape(form)
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


async def test_deltas_become_totals(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    for beats in (1, 2, 3):
        rig.instruments.heartbeat.add(beats)
        await rig.flush()
    assert rig.total() == 6


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_an_answer_that_is_lost_loses_and_doubles_nothing(
    database: sqlite3.Connection, fault: str
) -> None:
    """Stored or not, the same batch goes again under the same number."""
    rig = Rig(database)
    rig.instruments.heartbeat.add(1)
    await rig.flush()
    rig.shard.fault = fault
    for _ in range(3):
        rig.instruments.heartbeat.add(1)
        await rig.flush()
    rig.shard.fault = ""
    await rig.flush()
    assert rig.total() == 4


async def test_a_shard_that_says_nothing_holds_no_flush(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work after an answer is cut at 30 s: a call without an end would be cut with everything beside it."""
    monkeypatch.setattr("lumigate.courier.PUSH_SECONDS", 0.01)
    rig = Rig(database)
    rig.shard.fault = "silent"
    rig.instruments.heartbeat.add(1)
    await rig.flush()
    rig.shard.fault = ""
    await rig.flush()
    await rig.flush()
    assert rig.total() == 1
    assert rig.total('lumigate_metrics_batches_total{lumigate_metrics_result="unanswered"') == 1


async def test_a_long_outage_keeps_what_there_is_in_bounded_memory(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    rig.shard.fault = "before"
    for _ in range(200):
        rig.instruments.heartbeat.add(1)
        await rig.flush()
    rig.shard.fault = ""
    await rig.flush()
    await rig.flush()
    assert rig.total() == 200


async def test_a_batch_that_is_too_old_is_given_up_and_counted(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    rig.shard.fault = "before"
    rig.instruments.heartbeat.add(5)
    await rig.flush()
    rig.ports.clock.advance(LIFETIME_NS / 1e9 + 1)
    rig.shard.fault = ""
    await rig.flush()
    await rig.flush()
    assert rig.total('lumigate_metrics_batches_total{lumigate_metrics_result="expired"') == 1
    assert rig.total() == 0


async def test_what_the_shard_refuses_is_exported_directly_where_that_is_configured(
    database: sqlite3.Connection,
) -> None:
    rig = Rig(database, fallback="otlp")
    exported: list[Any] = []
    rig.telemetry.export_metrics = exported.extend  # type: ignore[method-assign, assignment]
    rig.shard.answer = {"status": "refused", "reason": "version", "retry": False}
    rig.instruments.heartbeat.add(3)
    rig.instruments.request_duration.record(0.2, {"http.route": "/health"})
    await rig.flush()
    by_name = {metric.name: metric for metric in exported}
    assert by_name["lumigate.heartbeat"].points[0].value == 3
    assert by_name["http.server.request.duration"].points[0].count == 1


async def test_without_the_binding_deltas_go_straight_out(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    rig.ports.shards.clear()
    exported: list[Any] = []
    rig.telemetry.export_metrics = exported.extend  # type: ignore[method-assign, assignment]
    rig.instruments.heartbeat.add(1)
    await rig.flush()
    assert "lumigate.heartbeat" in {metric.name for metric in exported}


async def test_an_isolate_keeps_its_shard(database: sqlite3.Connection) -> None:
    rig = Rig(database, shards=8)
    asked: list[str] = []

    class Remembering(dict[str, CounterShard]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.append(name)
            return rig.shard

    rig.ports.shards = Remembering()
    for _ in range(5):
        rig.instruments.heartbeat.add(1)
        await rig.flush()
    assert len(asked) == 5
    assert len(set(asked)) == 1


def test_metrics_that_go_another_way_need_no_courier(database: sqlite3.Connection) -> None:
    rig = Rig(database, via_shard=False)
    assert rig.courier.host(rig.ports).on_flush is None
