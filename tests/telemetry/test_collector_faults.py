"""Exports against a real HTTP server that misbehaves. Whatever it does, the application sees nothing of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import pytest

from lumigate.telemetry import Telemetry, TelemetryConfig
from lumigate.telemetry.host import Host
from lumigate.telemetry.otlp import protobuf
from tests.telemetry.collector import (
    Behaviour,
    Collector,
    HttpxPost,
    endless_body,
    nonsense,
    reset,
    running_collector,
    slow_headers,
    status,
)
from tests.telemetry.fakes import FakeBackground, FakeClock, FakeEntropy


class Bench:
    """An engine that exports its traces to the collector over real HTTP."""

    def __init__(self, collector: Collector, client: httpx.AsyncClient, **environ: str) -> None:
        self.collector = collector
        self.clock = FakeClock()
        self.post = HttpxPost(client, collector)
        self.background = FakeBackground()
        settings = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "30000",
            **environ,
        }
        self.telemetry = Telemetry(
            TelemetryConfig.from_environ(settings), clock=self.clock, entropy=FakeEntropy(), strict=True
        )

    async def request(self, name: str) -> None:
        self.telemetry.tracer("t").start_span(name, parent=None).end()
        self.telemetry.after_request(Host(post=self.post, background=self.background))
        await self.background.settle()

    def delivered(self) -> list[str]:
        return [name for received in self.collector.received for name in received.spans()]

    @property
    def queue(self) -> int:
        return self.telemetry.stats().queues[0].items


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running_collector() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as made:
        yield made


@pytest.mark.parametrize(
    ("behaviour", "result"),
    [
        (status(429), "throttled"),
        (status(502), "unavailable"),
        (status(503), "unavailable"),
        (status(504, b"<html>"), "unavailable"),
        (slow_headers(), "timeout"),
        (endless_body(), "timeout"),
        (reset(), "connection"),
        (nonsense(), "connection"),
    ],
)
async def test_what_may_pass_is_tried_again_later_and_delivered(
    collector: Collector, client: httpx.AsyncClient, behaviour: Behaviour, result: str
) -> None:
    """429, 502, 503, 504 and silence; the wait is a moment, not a sleep."""
    patience = {"OTEL_EXPORTER_OTLP_TIMEOUT": "700"} if result == "timeout" else {}
    bench = Bench(
        collector, client, OTEL_BSP_SCHEDULE_DELAY="400", **patience
    )  # shorter than the shortest wait
    collector.script = [behaviour]
    await bench.request("first")
    assert bench.queue == 1
    assert bench.telemetry._counts.requests["otlp", "traces", result] == 1
    bench.telemetry.after_request(Host(post=bench.post, background=bench.background))
    assert len(bench.background.tasks) == 1, "the wait is not over"
    bench.clock.advance(2)
    await bench.request("second")
    assert collector.received[-1].spans() == ["first", "second"]
    assert bench.queue == 0
    assert bench.telemetry.stats().dropped == {}


@pytest.mark.parametrize("code", [301, 302, 307, 308, 400, 401, 403, 404, 500, 501])
async def test_any_other_refusal_costs_the_batch_and_is_counted(
    collector: Collector, client: httpx.AsyncClient, code: int
) -> None:
    """Redirects too: the headers are secrets and go nowhere else."""
    bench = Bench(collector, client)
    collector.script = [status(code, b"{}", location=f"{collector.url}/elsewhere")]
    await bench.request("lost")
    await bench.request("next")
    assert bench.delivered() == ["lost", "next"]
    assert {received.path for received in collector.received} == {"/v1/traces"}
    assert bench.telemetry.stats().dropped == {("traces", "rejected"): 1}
    assert bench.telemetry.stats().queues[0].last_error == f"HTTP {code}"


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured_in_both_forms(
    collector: Collector, client: httpx.AsyncClient, form: str
) -> None:
    bench = Bench(collector, client)
    at = datetime.fromtimestamp(bench.clock.time_ns / 1e9 + 121, UTC)
    value = "120" if form == "seconds" else format_datetime(at, usegmt=True)
    collector.script = [status(429, retry_after=value)]
    await bench.request("first")
    for _ in range(11):
        bench.clock.advance(10)
        await bench.request("more")
    assert len(collector.received) == 1
    bench.clock.advance(15)
    await bench.request("last")
    assert len(collector.received) == 2
    assert collector.received[1].spans() == ["first", *["more"] * 11, "last"]


async def test_413_is_answered_with_smaller_exports(collector: Collector, client: httpx.AsyncClient) -> None:
    bench = Bench(collector, client)
    for n in range(8):
        bench.telemetry.tracer("t").start_span(f"s{n}", parent=None).end()
    collector.script = [status(413), status(413)]
    await bench.request("s8")
    assert [len(received.spans()) for received in collector.received] == [9, 4, 2, 4, 3]
    assert bench.delivered()[13:] == [f"s{n}" for n in range(9)]
    assert bench.telemetry.stats().dropped == {}


async def test_a_single_span_too_large_for_the_collector_is_dropped_and_counted(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    bench = Bench(collector, client)
    collector.script = [status(413)]
    await bench.request("huge")
    assert (bench.queue, bench.telemetry.stats().dropped) == (0, {("traces", "too_large"): 1})


async def test_exports_over_the_configured_size_are_split_before_they_are_sent(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    bench = Bench(collector, client, LUMIGATE_TELEMETRY_MAX_REQUEST_BYTES="4096")
    for n in range(40):
        bench.telemetry.tracer("t").start_span(f"s{n}", parent=None).end()
    await bench.request("last")
    assert sorted(bench.delivered()) == sorted([*(f"s{n}" for n in range(40)), "last"])
    assert len(collector.received) > 2


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
async def test_partial_success_is_counted_and_never_sent_again(
    collector: Collector, client: httpx.AsyncClient, protocol: str
) -> None:
    answers = {
        "http/json": (
            b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}',
            "application/json",
        ),
        "http/protobuf": (b"\x0a\x0b\x08\x01\x12\x07too old", "application/x-protobuf"),
    }
    body, content_type = answers[protocol]
    bench = Bench(collector, client, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    collector.script = [status(200, body, content_type=content_type)]
    bench.telemetry.tracer("t").start_span("a", parent=None).end()
    await bench.request("b")
    bench.clock.advance(60)
    await bench.request("c")
    assert [received.spans() for received in collector.received] == [["a", "b"], ["c"]]
    stats = bench.telemetry.stats()
    assert stats.dropped == {("traces", "partial_success"): 1}
    assert stats.spans_exported == 2
    assert collector.received[0].headers["content-type"] == content_type


async def test_an_answer_of_ten_megabytes_is_not_read(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    bench = Bench(collector, client, OTEL_EXPORTER_OTLP_TIMEOUT="5000")
    collector.script = [status(200, b"x" * 10_000_000)]
    await bench.request("s")
    assert bench.queue == 0
    assert bench.post.read < 100_000


async def test_a_name_that_does_not_resolve_and_a_closed_port_are_waited_out(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    for url in ("http://name.invalid:4318/v1/traces", "http://127.0.0.1:1/v1/traces"):
        bench = Bench(
            collector, client, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=url, OTEL_EXPORTER_OTLP_TIMEOUT="5000"
        )
        await bench.request("s")
        assert bench.queue == 1
        assert bench.telemetry.stats().retries == 1


async def test_the_request_carries_what_the_specification_asks_for(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    bench = Bench(collector, client, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20secret")
    await bench.request("s")
    (received,) = collector.received
    assert received.headers["content-type"] == "application/json"
    assert received.headers["content-encoding"] == "gzip"
    assert received.headers["authorization"] == "Bearer secret"
    assert received.headers["user-agent"].startswith("OTel-OTLP-Exporter-")
    assert "secret" not in repr(bench.telemetry.stats()) + repr(bench.telemetry.config)


async def test_uncompressed_protobuf_is_sent_where_it_is_asked_for(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    bench = Bench(
        collector, client, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf", OTEL_EXPORTER_OTLP_COMPRESSION="none"
    )
    await bench.request("s")
    assert bench.delivered() == ["s"]
    assert "content-encoding" not in collector.received[0].headers
    assert collector.received[0].headers["content-type"] == protobuf.CONTENT_TYPE


async def test_200_concurrent_requests_arrive_in_few_exports_and_wait_for_none(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    """The collector takes a while; the requests are done long before."""
    bench = Bench(collector, client, OTEL_EXPORTER_OTLP_TIMEOUT="10000")

    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        await status(200)(writer)

    collector.script = [slow, slow]
    done_before_any_export: list[bool] = []

    async def request(n: int) -> None:
        bench.telemetry.tracer("t").start_span(f"r{n}", parent=None).end()
        await asyncio.sleep(0)
        bench.telemetry.after_request(Host(post=bench.post, background=bench.background))
        done_before_any_export.append(not bench.telemetry.stats().spans_exported)

    await asyncio.gather(*(request(n) for n in range(200)))
    assert all(done_before_any_export)
    await bench.background.settle()
    assert sorted(bench.delivered()) == sorted(f"r{n}" for n in range(200))
    assert len(collector.received) <= 3


async def test_the_json_that_is_sent_is_json(collector: Collector, client: httpx.AsyncClient) -> None:
    bench = Bench(collector, client, OTEL_EXPORTER_OTLP_COMPRESSION="none")
    await bench.request('quote " and ümlaut')
    assert json.loads(collector.received[0].body)["resourceSpans"]
    assert bench.delivered() == ['quote " and ümlaut']
