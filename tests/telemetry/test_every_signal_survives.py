"""Each fault of a collector, for each signal and both protocols: delivered or counted, and nothing twice."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
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
    running_collector,
    slow_headers,
    status,
)
from tests.telemetry.fakes import FakeBackground, FakeClock, FakeEntropy, make_rig

SIGNALS = ("traces", "metrics", "logs")
NOTHING_ELSE = {f"OTEL_{signal.upper()}_EXPORTER": "none" for signal in SIGNALS}


class Client:
    """An application that makes one item of one signal a request, over real HTTP."""

    def __init__(self, collector: Collector, http: httpx.AsyncClient, signal: str, protocol: str) -> None:
        self.signal = signal
        self.clock = FakeClock()
        self.background = FakeBackground()
        self.post = HttpxPost(http)
        settings = {
            **NOTHING_ELSE,
            f"OTEL_{signal.upper()}_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "300",
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


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running_collector() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as made:
        yield made


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
    "fault", [status(429, retry_after="1"), status(503), slow_headers(), endless_body(), reset()]
)
async def test_what_passes_is_waited_out_and_delivered(
    collector: Collector, http: httpx.AsyncClient, signal: str, protocol: str, fault: Behaviour
) -> None:
    client = Client(collector, http, signal, protocol)
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


class BrokenIds:
    """An id generator that now and then makes an id that no format can carry."""

    def __init__(self) -> None:
        self.made = 0

    def generate_span_id(self) -> int:
        self.made += 1
        return (1 << 64) + self.made if self.made % 5 == 0 else self.made

    def generate_trace_id(self) -> int:
        return 1 << 100


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
async def test_a_span_that_cannot_be_written_costs_itself_and_is_counted_once(
    collector: Collector, http: httpx.AsyncClient, protocol: str
) -> None:
    settings = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }
    config = TelemetryConfig.from_environ(settings)
    clock = FakeClock()
    telemetry = Telemetry(config, clock=clock, entropy=FakeEntropy(), id_generator=BrokenIds(), strict=True)
    for n in range(10):
        telemetry.tracer("t").start_span(f"<{n}>", parent=None).end()
    collector.script = [status(503)]
    host = Host(post=HttpxPost(http), background=FakeBackground())
    await telemetry.flush(host)
    assert telemetry.stats().dropped == {}, "nothing is lost before it arrives"
    await telemetry.flush(host)
    assert len(collector.received[-1].spans()) == 8
    assert telemetry.stats().dropped == {("traces", "encode_failed"): 2}
    assert telemetry.stats().spans_exported == 8


async def test_nothing_that_can_be_written_is_nothing_sent() -> None:
    rig = make_rig(id_generator=type("Ids", (BrokenIds,), {"generate_span_id": lambda self: 1 << 64})())
    rig.telemetry.tracer("t").start_span("s", parent=None).end()
    await rig.flush()
    assert rig.post.of("traces") == []
    assert rig.telemetry.stats().dropped == {("traces", "encode_failed"): 1}


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


async def test_a_collector_that_is_down_costs_memory_within_the_bound_whatever_is_recorded() -> None:
    """Long texts, events and links in all three signals, for each of two destinations."""
    rig = make_rig(
        {
            "LUMIGATE_TELEMETRY_QUEUE_BYTES": "500000",
            "LUMIGATE_OTLP_DESTINATIONS": "second",
            "LUMIGATE_OTLP_SECOND_ENDPOINT": "http://second:4318",
        }
    )
    rig.post.by_url["http"] = PostError("connection")
    logger, tracer = rig.telemetry.logger("l"), rig.telemetry.tracer("t")

    async def serve(count: int) -> None:
        for n in range(count):
            root = tracer.start_span("r", parent=None, attributes={"long": f"{n}" * 4000, "short": n})
            root.add_event("e", {"text": "y" * 5000})
            root.end()
            logger.emit(body={"text": "z" * 5000, "n": n})
            rig.telemetry.after_request(rig.host)
            await rig.background.settle()
            rig.background.tasks.clear()
            rig.post.sent.clear()
            rig.clock.advance(1)

    await serve(5)
    gc.collect()
    tracemalloc.start()
    try:
        await serve(400)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    stats = rig.telemetry.stats()
    assert all(queue.bytes <= 500_000 for queue in stats.queues)
    assert held < 6 * 500_000
    assert stats.dropped["traces", "queue_full"] > 400
    assert stats.dropped["logs", "queue_full"] > 400


@pytest.mark.parametrize("sampled", [True, False])
def test_spans_in_progress_hold_bounded_memory_before_any_of_them_ends(sampled: bool) -> None:
    """What is long is accounted for when it is set: an isolate can be full of requests that have not ended."""
    rig = make_rig(
        {} if sampled else {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1e-9"}
    )
    spans = []
    gc.collect()
    tracemalloc.start()
    for n in range(300):
        span = rig.telemetry.tracer("t").start_span("s", parent=None)
        if not sampled:
            span.keep("fallback")
        for k in range(20):
            span.set_attribute(f"k{k}", f"{n}" + "x" * 8000)
        span.add_event("e", {"text": f"{n}" + "y" * 8000})
        spans.append(span)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 12 << 20
    assert rig.telemetry.stats().attributes_dropped > 3000
    for span in spans:
        span.end()
    assert rig.telemetry._pipeline.live_bytes == 0


def exponential_list() -> Any:
    value: Any = "lol"
    for _ in range(30):
        value = [value] * 100
    return value


def cyclic() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


class Hostile:
    """Whatever is asked of it, it fails."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__

    def __hash__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


ODD: tuple[Callable[[], Any], ...] = (
    cyclic,
    exponential_list,
    Hostile,
    lambda: "\ud800 lone",
    lambda: "x" * 1_000_000,
    lambda: b"\xff" * 1_000_000,
    lambda: 1 << 100_000,
    lambda: float("nan"),
    lambda: float("-inf"),
    lambda: {1: {2: cyclic()}},
    lambda: [None, 1, "mixed"],
    lambda: {f"k{n}": n for n in range(10_000)},
    object,
    lambda: (n for n in range(3)),
)


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
@pytest.mark.parametrize("odd", ODD)
async def test_any_value_anywhere_leaves_the_response_and_the_other_telemetry_alone(
    collector: Collector, http: httpx.AsyncClient, odd: Callable[[], Any], protocol: str
) -> None:
    """In attributes of spans, events, links, logs, metrics, as body, name, status and exception message."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    config = TelemetryConfig.from_environ(settings)
    telemetry = Telemetry(config, clock=FakeClock(), entropy=FakeEntropy())
    value = odd()
    many = value if isinstance(value, dict) else {"odd": value}
    tracer, logger = telemetry.tracer("t"), telemetry.logger("l")
    meter = telemetry.meter_provider.get_meter("m")
    with tracer.start_as_current_span("odd", attributes=many) as span:
        span.set_attribute("odd", value)
        span.set_attributes(many)
        span.add_event("event", many)
        span.add_link(span.get_span_context(), many)
        span.record_exception(ValueError(value if isinstance(value, str | bytes) else "x"), many)
        span.set_status(value)
        span.set_status(value, value)
        tracer.start_span(value).end()
        tracer.start_span("child", links=value, start_time=value).end(value)
        logger.emit(body=value, attributes=many, event_name=value, severity_text=value)
        meter.create_counter("c").add(1, many)
        meter.create_histogram("h").record(value, many)
    tracer.start_span("ordinary", parent=None).end()
    await telemetry.flush(Host(post=HttpxPost(http), background=FakeBackground()))
    exported = [name for r in collector.received if r.path.endswith("traces") for name in r.spans()]
    assert {"odd", "ordinary"} <= set(exported)
    assert sum(len(r.body) for r in collector.received) < 2_000_000
    queues = telemetry.stats().queues
    assert {queue.items for queue in queues} == {0}
    assert all(queue.exports_failed == 0 for queue in queues)
