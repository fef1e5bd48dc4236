"""Each fault of a collector, for each signal and both protocols: delivered or counted, and nothing twice."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx
import pytest

from lumigate.telemetry import Telemetry, TelemetryConfig
from lumigate.telemetry.host import Host, PostError, PostResult
from tests.telemetry.collector import (
    Behaviour,
    Collector,
    HttpxPost,
    endless_body,
    reset,
    slow_headers,
    status,
)
from tests.telemetry.fakes import FakeBackground, FakeClock, FakeEntropy, make_rig

SIGNALS = ("traces", "metrics", "logs")
NOTHING_ELSE = {f"OTEL_{signal.upper()}_EXPORTER": "none" for signal in SIGNALS}


class Client:
    """An application that makes one item of one signal a request, over real HTTP."""

    def __init__(
        self,
        collector: Collector,
        http: httpx.AsyncClient,
        signal: str,
        protocol: str,
        patience_ms: int = 30_000,
    ) -> None:
        self.signal = signal
        self.clock = FakeClock()
        self.background = FakeBackground()
        self.post = HttpxPost(http, collector)
        settings = {
            **NOTHING_ELSE,
            f"OTEL_{signal.upper()}_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_TIMEOUT": str(patience_ms),
        }
        self.telemetry = Telemetry(
            TelemetryConfig.from_environ(settings), clock=self.clock, entropy=FakeEntropy(), strict=True
        )
        self._counter = self.telemetry.meter_provider.get_meter("m").create_counter("requests")

    async def request(self, name: str) -> str:
        """What the caller gets; whatever the collector does, it is this."""
        if self.signal == "traces":
            self.telemetry.tracer("t").start_span(name, parent=None).end()
        elif self.signal == "metrics":
            self._counter.add(1, {"name": name})
        else:
            self.telemetry.logger("l").emit(body=name)
        self.telemetry.after_request(Host(post=self.post, background=self.background))
        await self.background.settle()
        return f"answer to {name}"

    @property
    def dropped(self) -> dict[str, int]:
        dropped = self.telemetry.stats().dropped
        return {reason: count for (signal, reason), count in dropped.items() if signal == self.signal}

    @property
    def waiting(self) -> int:
        return self.telemetry.stats().queues[0].items


def times(collector: Collector, *names: str) -> list[int]:
    """How many of the accepted requests hold each name. Each name is found in any format as it is."""
    bodies = [
        zlib.decompress(r.body, 31) if r.headers.get("content-encoding") == "gzip" else r.body
        for r in collector.received
    ]
    return [sum(name.encode() in body for body in bodies) for name in names]


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    ("fault", "patience_ms"),
    [
        (status(429, retry_after="1"), 30_000),
        (status(503), 30_000),
        (slow_headers(), 700),
        (endless_body(), 700),
        (reset(), 30_000),
    ],
)
async def test_what_passes_is_waited_out_and_delivered(
    collector: Collector,
    http: httpx.AsyncClient,
    signal: str,
    protocol: str,
    fault: Behaviour,
    patience_ms: int,
) -> None:
    client = Client(collector, http, signal, protocol, patience_ms)
    collector.script = [fault]
    assert await client.request("first") == "answer to first"
    client.clock.advance(3)
    assert await client.request("second") == "answer to second"
    assert times(collector, "first", "second") == [2, 1], "the first attempt, and the one that counts"
    assert (client.waiting, client.dropped) == (0, {})


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("code", [307, 400, 401, 500])
async def test_what_is_refused_is_counted_and_not_sent_again(
    collector: Collector, http: httpx.AsyncClient, signal: str, code: int
) -> None:
    client = Client(collector, http, signal, "http/json")
    collector.script = [status(code, b"no", location=f"{collector.url}/elsewhere")]
    assert await client.request("refused") == "answer to refused"
    first = client.dropped["rejected"]
    client.clock.advance(60)
    await client.request("taken")
    assert times(collector, "refused", "taken") == [1, 1]
    assert (client.waiting, client.dropped) == (0, {"rejected": first})
    assert first >= 1


@pytest.mark.parametrize("signal", SIGNALS)
async def test_five_minutes_of_503_lose_nothing_and_are_not_hammered(
    collector: Collector, http: httpx.AsyncClient, signal: str
) -> None:
    client = Client(collector, http, signal, "http/json")
    collector.script = [status(503) for _ in range(1000)]
    for n in range(60):
        await client.request(f"<{n}>")
        client.clock.advance(5)
    assert len(collector.received) < 20
    collector.script = []
    collector.received.clear()
    client.clock.advance(301)
    await client.request("after")
    assert times(collector, *(f"<{n}>" for n in range(60)), "after") == [1] * 61
    assert (client.waiting, client.dropped) == (0, {})


async def test_retry_after_is_honoured_by_a_flush_that_is_forced(
    collector: Collector, http: httpx.AsyncClient
) -> None:
    """As by a cron run: our own back-off may be shortened, what the collector asked for may not."""
    client = Client(collector, http, "traces", "http/json")
    host = Host(post=client.post, background=client.background)
    collector.script = [status(429, retry_after="60"), status(503)]
    await client.request("s")
    client.clock.advance(30)
    await client.telemetry.flush(host)
    assert len(collector.received) == 1
    client.clock.advance(31)
    await client.telemetry.flush(host)
    await client.telemetry.flush(host)
    assert len(collector.received) == 3
    assert client.waiting == 0


@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
async def test_one_metric_of_very_many_points_is_divided_until_the_collector_takes_it(
    temporality: str,
) -> None:
    """413, an outage between two parts, and a newer collection meanwhile: no point is lost, and none is stale."""
    rig = make_rig(
        {
            **NOTHING_ELSE,
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality,
        }
    )
    fail_once = [True]

    async def post(url: str, **request: Any) -> PostResult:
        answer = await rig.post(url, **request)
        points = [
            p for m in rig.post.sent[-1].every_metric() if m["name"] == "m" for p in m["sum"]["dataPoints"]
        ]
        if len(points) > 100:
            return PostResult(status=413, headers={}, body=b"")
        if accepted and fail_once:
            fail_once.clear()
            return PostResult(status=503, headers={}, body=b"")
        for point in points:
            accepted[point["attributes"][0]["value"]["intValue"]] += 1
            value[point["attributes"][0]["value"]["intValue"]] = int(point["asInt"])
        return answer

    accepted: Counter[str] = Counter()
    value: dict[str, int] = {}
    counter = rig.telemetry.meter_provider.get_meter("m").create_counter("m")
    for n in range(1000):
        counter.add(1, {"n": n})
    host = Host(post=post, background=rig.background)
    await rig.telemetry.flush(host)
    assert 0 < len(accepted) < 1000, "the outage came between two parts"
    rig.clock.advance(100)
    await rig.telemetry.flush(host)
    assert len(accepted) == 1000
    assert set(value.values()) == {1}
    if temporality == "delta":
        assert set(accepted.values()) == {1}
    assert rig.telemetry.stats().dropped == {}
    assert rig.telemetry.stats().queues[0].bytes == 0


class CpuExhausted(BaseException):
    """What the platform raises in a request that has used up its time."""


@pytest.mark.parametrize(
    "failure",
    [PostError("timeout"), TypeError("a defect of the host"), asyncio.CancelledError(), CpuExhausted()],
)
async def test_whatever_leaves_a_post_the_batch_is_kept(failure: BaseException) -> None:
    rig = make_rig({"OTEL_METRICS_EXPORTER": "none"})

    async def post(url: str, **request: Any) -> PostResult:
        raise failure

    rig.telemetry.tracer("t").start_span("s", parent=None).end()
    with suppress(asyncio.CancelledError, CpuExhausted):
        await rig.telemetry.flush(Host(post=post, background=rig.background))
    assert [span["name"] for span in await rig.exported_spans()] == ["s"]
    assert rig.telemetry.stats().dropped == {}
