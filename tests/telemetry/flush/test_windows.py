"""Which request exports, and when."""

from __future__ import annotations

import asyncio

from lumigate.telemetry.host import PostResult
from tests.telemetry.fakes import OK, FakeBackground, Rig, make_rig
from tests.telemetry.flush.waiting import StuckClock, settled


async def test_the_first_request_of_a_window_exports_for_all() -> None:
    """200 concurrent requests: every trace arrives, in one export, and none of them waited for it."""
    rig = make_rig()
    await asyncio.gather(*(rig.request(f"r{n}") for n in range(200)))
    assert len(rig.background.tasks) == 1
    await rig.background.settle()
    assert sorted(set(rig.post.span_names())) == sorted(
        {f"r{n}{c}" for n in range(200) for c in ("", " child")}
    )
    assert len(rig.post.span_names()) == 400
    assert len(rig.post.of("traces")) == 1


async def test_a_full_buffer_is_exported_at_once_by_the_request_that_filled_it() -> None:
    rig = make_rig({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"})
    clock = StuckClock()
    rig.telemetry._flusher._clock = clock
    for n in range(5):
        await rig.request(f"r{n}")
    assert len(rig.background.tasks) == 2
    await asyncio.wait([rig.background.tasks[1]])
    assert len(rig.post.span_names()) == 10
    clock.awake.set()
    await rig.background.settle()


async def test_what_comes_in_while_an_export_is_under_way_is_for_the_next_window() -> None:
    """Else a busy isolate would be exporting all the time, a few traces in each."""
    rig = make_rig()
    clock = StuckClock()
    clock.awake.set()
    rig.telemetry._flusher._clock = clock

    async def busy() -> PostResult:
        if len(rig.post.of("traces")) == 1:
            clock.awake.clear()
            await rig.request("second")
        return OK

    rig.post.by_url["/v1/traces"] = busy
    await rig.request("first")
    await asyncio.wait([rig.background.tasks[0]])
    assert rig.post.span_names() == ["first", "first child"]
    clock.awake.set()
    await rig.background.settle()
    assert rig.post.span_names() == ["first", "first child", "second", "second child"]


async def test_a_window_that_ends_while_an_export_is_under_way_is_sent_by_that_export() -> None:
    """No later request need come: the last traces before the traffic stops are not left in the isolate."""
    rig = make_rig()
    slow = asyncio.Event()

    async def busy() -> PostResult:
        if len(rig.post.of("traces")) == 1:
            await slow.wait()
        return OK

    rig.post.by_url["/v1/traces"] = busy
    await rig.request("first")
    await settled()
    await rig.request("second")
    await asyncio.wait([rig.background.tasks[1]])
    assert rig.post.span_names() == ["first", "first child"]
    slow.set()
    await rig.background.settle()
    assert rig.post.span_names() == ["first", "first child", "second", "second child"]


async def test_a_flush_that_is_asked_for_sends_what_comes_in_meanwhile_as_well() -> None:
    rig = make_rig()

    async def busy() -> PostResult:
        if len(rig.post.of("traces")) == 1:
            rig.telemetry.tracer("test").start_span("second", parent=None).end()
        return OK

    rig.post.by_url["/v1/traces"] = busy
    rig.telemetry.tracer("test").start_span("first", parent=None).end()
    await rig.flush()
    assert rig.post.span_names() == ["first", "second"]


async def test_request_mode_exports_with_each_request() -> None:
    rig = make_rig({"LUMIGATE_TELEMETRY_FLUSH": "request"})
    for n in range(3):
        await rig.request(f"r{n}")
        await rig.background.settle()
        assert rig.post.span_names()[-2:] == [f"r{n}", f"r{n} child"]
    assert len(rig.post.of("traces")) == 3


async def test_a_request_without_spans_exports_its_metrics() -> None:
    rig = make_rig()
    rig.telemetry.meter_provider.get_meter("m").create_counter("c").add(1)
    rig.telemetry.after_request(rig.host)
    await rig.background.settle()
    assert "c" in rig.post.of("metrics")[0].metrics()


async def test_without_a_destination_nothing_is_scheduled() -> None:
    rig = make_rig({"OTEL_EXPORTER_OTLP_ENDPOINT": ""})
    await rig.request()
    assert rig.background.tasks == []


async def test_cumulative_metrics_keep_to_their_interval() -> None:
    rig = make_rig(
        {
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative",
            "OTEL_METRIC_EXPORT_INTERVAL": "30000",
        }
    )
    for _ in range(10):
        await rig.request()
        await rig.background.settle()
        rig.clock.advance(5)
    assert len(rig.post.of("traces")) == 10
    assert len(rig.post.of("metrics")) == 2


async def test_nothing_of_one_request_is_awaited_by_another() -> None:
    """On Workers, awaiting what another request's I/O completes fails: state between requests is plain data only."""
    rig: Rig = make_rig()
    await rig.request("a")
    shared = [rig.telemetry._flusher, rig.telemetry._flusher.lease, *rig.telemetry._exporters]
    shared += [exporter.queue for exporter in rig.telemetry._exporters]
    for holder in shared:
        names = getattr(holder, "__slots__", None) or vars(holder)
        for name in names:
            value = getattr(holder, name)
            assert not isinstance(value, (asyncio.Future, asyncio.Event, asyncio.Lock, asyncio.Queue)), name
    await rig.background.settle()
    assert isinstance(rig.background, FakeBackground)


async def test_an_export_ends_before_the_platform_ends_its_request() -> None:
    """The time allowed runs from the beginning of the background work, linger included."""
    rig = make_rig({"LUMIGATE_TELEMETRY_LINGER_MS": "20000", "LUMIGATE_TELEMETRY_BUDGET_MS": "25000"})
    await rig.request()
    await rig.background.settle()
    assert {sent.timeout_seconds for sent in rig.post.sent} == {5.0}


async def test_the_signals_own_limit_for_an_export_holds_where_it_is_shorter() -> None:
    """`OTEL_BSP_EXPORT_TIMEOUT` is about a batch, `OTEL_EXPORTER_OTLP_TIMEOUT` about a request: the same here."""
    rig = make_rig({"OTEL_BSP_EXPORT_TIMEOUT": "2000", "OTEL_EXPORTER_OTLP_TIMEOUT": "5000"})
    await rig.request()
    await rig.flush()
    assert {sent.signal: sent.timeout_seconds for sent in rig.post.sent} == {"traces": 2.0, "metrics": 5.0}


async def test_request_mode_starts_nothing_where_there_is_nothing_to_send() -> None:
    rig = make_rig({"LUMIGATE_TELEMETRY_FLUSH": "request", "OTEL_METRICS_EXPORTER": "none"})
    rig.telemetry.after_request(rig.host)
    assert rig.background.tasks == []
