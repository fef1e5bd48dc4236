"""Values and ids that no format can carry cost themselves only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lumigate.telemetry import Telemetry, TelemetryConfig
from lumigate.telemetry.host import Host
from tests.telemetry.collector import Collector, HttpxPost, status
from tests.telemetry.fakes import FakeBackground, FakeClock, FakeEntropy, make_rig


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
