"""A shard at work: it exports on its alarm, shows each birth at zero first, and comes back after an eviction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from lumigate.metrics_settings import MetricsSettings
from lumigate.shard import Outbox
from lumigate.shard.service import ShardService
from lumigate.telemetry import Host, PostResult, TelemetryConfig
from tests.fakes import FakeBackground, FakeClock, FakeEntropy, FakePost
from tests.shard.deltas import counter

ENDPOINT = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
}


class Rig:
    def __init__(self, connection: sqlite3.Connection, **environ: str) -> None:
        self.clock = FakeClock()
        self.post = FakePost()
        self.environ = {**ENDPOINT, **environ}
        self._connection = connection
        self._outbox = Outbox("an-isolate")
        self.service = self.open()

    def open(self) -> ShardService:
        return ShardService(
            "shard-3",
            lambda sql, *parameters: self._connection.execute(sql, parameters).fetchall(),
            settings=MetricsSettings.from_environ(self.environ).shard_settings(),
            telemetry=TelemetryConfig.from_environ(self.environ),
            resource={"service.version": "1.2.3"},
            clock=self.clock,
            entropy=FakeEntropy(),
        )

    def push(self, value: float) -> None:
        self._outbox.seal([counter(value)], self.clock.now_ns())
        for batch in self._outbox.due(self.clock.now_ns()):
            self._outbox.settle(batch.sequence, self.service.push(batch.message()))

    async def alarm(self) -> None:
        self.clock.advance(30)
        await self.service.alarm(Host(post=self.post, background=FakeBackground()))

    def exported(self) -> list[float]:
        """The values of the counter in the order they were exported."""
        return [
            float(point.get("asInt", point.get("asDouble", 0)))
            for body in self.post.bodies
            for resource in json.loads(body)["resourceMetrics"]
            for scope in resource["scopeMetrics"]
            for metric in scope["metrics"]
            if metric["name"] == "requests"
            for point in metric["sum"]["dataPoints"]
        ]

    def resource(self) -> dict[str, Any]:
        attributes = json.loads(self.post.bodies[-1])["resourceMetrics"][0]["resource"]["attributes"]
        return {pair["key"]: pair["value"].get("stringValue") for pair in attributes}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


async def test_a_series_is_exported_at_zero_before_it_counts(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    rig.push(5)
    await rig.alarm()
    await rig.alarm()
    assert rig.exported() == [0, 5]


async def test_a_collection_that_arrived_in_part_is_not_taken_for_shown(database: sqlite3.Connection) -> None:
    """Of the rest nobody has seen the zero yet."""
    rig = Rig(database, LUMIGATE_TELEMETRY_MAX_REQUEST_BYTES="1100")
    rig.push(5)
    answered = 0
    take = rig.post.__call__

    async def once(url: str, **request: Any) -> PostResult:
        nonlocal answered
        rig.post.status = 503 if answered else 200
        answered += 1
        return await take(url, **request)

    rig.clock.advance(30)
    await rig.service.alarm(Host(post=once, background=FakeBackground()))
    assert answered == 2
    rig.post.status = 200
    rig.post.bodies.clear()
    await rig.alarm()
    await rig.alarm()
    assert rig.exported() == [0, 5]


async def test_the_series_have_one_stable_identity(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    rig.push(1)
    await rig.alarm()
    assert rig.resource()["service.instance.id"] == "shard-3"
    assert rig.resource()["service.version"] == "1.2.3"


async def test_an_export_that_failed_has_shown_nothing(database: sqlite3.Connection) -> None:
    """The zero must arrive before the value does, however often the collector is down."""
    rig = Rig(database)
    rig.push(5)
    rig.post.status = 503
    await rig.alarm()
    rig.post.status = 200
    rig.post.bodies.clear()
    rig.clock.advance(600)
    await rig.alarm()
    await rig.alarm()
    assert rig.exported() == [0, 5]


async def test_an_eviction_between_any_two_steps_changes_no_total(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    for value in (1, 2, 3):
        rig.push(value)
        rig.service = rig.open()
        await rig.alarm()
        rig.service = rig.open()
    await rig.alarm()
    assert rig.exported()[-1] == 6


async def test_a_shard_with_nothing_to_tell_may_sleep(database: sqlite3.Connection) -> None:
    rig = Rig(database)
    assert rig.service.idle
    rig.push(1)
    assert not rig.service.idle


async def test_without_a_destination_the_alarm_only_compacts(database: sqlite3.Connection) -> None:
    rig = Rig(database, OTEL_EXPORTER_OTLP_ENDPOINT="")
    rig.push(1)
    await rig.alarm()
    assert rig.post.bodies == []
