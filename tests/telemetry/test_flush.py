"""Which request exports, when, and what happens when it dies."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from lumigate.telemetry.host import Host, PostError, PostResult
from tests.telemetry.fakes import OK, DeadBackground, FakeBackground, FakeClock, Rig, make_rig

UNAVAILABLE = PostResult(status=503, headers={}, body=b"")


class StuckClock(FakeClock):
    """Sleeping lasts until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.awake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.awake.wait()
        self.advance(seconds)


async def settled() -> None:
    """Everything that can go on without time passing has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


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


async def test_an_owner_killed_while_it_lingers_is_replaced_when_its_lease_expires() -> None:
    rig = make_rig()
    dead = DeadBackground()
    tracer = rig.telemetry.tracer("t")
    tracer.start_span("lost?", parent=None).end()
    rig.telemetry.after_request(Host(post=rig.post, background=dead))
    assert dead.given == 1
    await rig.request("while the lease lasts")
    assert rig.background.tasks == []
    rig.clock.advance(60)
    await rig.request("heir")
    await rig.background.settle()
    assert "lost?" in rig.post.span_names()
    assert rig.telemetry.stats().leases_taken_over == 1


async def test_an_owner_cancelled_while_it_lingers_frees_the_lease_at_once() -> None:
    rig = make_rig()
    clock = StuckClock()
    rig.telemetry._flusher._clock = clock
    await rig.request("first")
    rig.background.tasks[0].cancel()
    await rig.background.settle()
    rig.telemetry._flusher._clock = rig.clock
    await rig.request("second")
    await rig.background.settle()
    assert rig.post.span_names() == ["first", "first child", "second", "second child"]


async def test_an_owner_cancelled_while_it_exports_loses_nothing() -> None:
    """Nobody knows whether the collector has it: it is sent again."""
    rig = make_rig()

    async def hang() -> PostResult:
        await asyncio.Event().wait()
        return OK

    rig.post.by_url["/v1/traces"] = hang
    await rig.request("first")
    await settled()
    assert rig.post.of("traces")
    rig.background.tasks[0].cancel()
    await rig.background.settle()
    rig.post.by_url.clear()
    await rig.request("second")
    await rig.background.settle()
    again = rig.post.of("traces")[1]
    assert [span["name"] for span in again.spans()] == ["first", "first child", "second", "second child"]
    assert rig.telemetry.stats().queues[0].items == 0


async def test_an_owner_killed_while_it_exports_is_found_dead_and_its_batch_sent_again() -> None:
    rig = make_rig()

    async def hang() -> PostResult:
        await asyncio.Event().wait()
        return OK

    rig.post.by_url["/v1/"] = hang
    tracer = rig.telemetry.tracer("t")
    tracer.start_span("first", parent=None).end()
    killed = rig.telemetry.flush(rig.host)
    task = asyncio.ensure_future(killed)
    await settled()
    assert len(rig.post.sent) == 2
    rig.post.by_url.clear()
    await rig.request("too early")
    await rig.background.settle()
    assert rig.post.span_names() == ["first"]
    rig.clock.advance(60)
    await rig.request("late")
    await rig.background.settle()
    assert rig.post.span_names()[1:4] == ["first", "too early", "too early child"]
    assert rig.telemetry.stats().reclaimed >= 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_platform_that_refuses_the_background_work_costs_nothing() -> None:
    rig = make_rig(strict=False)

    def refuse(coroutine: Any, /) -> None:
        raise RuntimeError("the request is over")

    rig.telemetry.tracer("t").start_span("s", parent=None).end()
    rig.telemetry.after_request(Host(post=rig.post, background=refuse))
    assert rig.telemetry.stats().errors == {"after_request": 1}
    await rig.request("next")
    await rig.background.settle()
    assert "s" in rig.post.span_names()


async def test_a_failing_destination_never_starves_the_others() -> None:
    """Each destination has a queue, a breaker and headers of its own."""
    rig = make_rig(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "",
            "LUMIGATE_OTLP_DESTINATIONS": "bad,good",
            "LUMIGATE_OTLP_BAD_ENDPOINT": "http://bad",
            "LUMIGATE_OTLP_BAD_HEADERS": "x-key=bad",
            "LUMIGATE_OTLP_GOOD_ENDPOINT": "http://good",
            "LUMIGATE_OTLP_GOOD_HEADERS": "x-key=good",
        }
    )
    rig.post.by_url["http://bad"] = PostError("connection")
    for n in range(20):
        await rig.request(f"r{n}")
        await rig.background.settle()
        rig.clock.advance(10)
    good = [span for sent in rig.post.of("traces") if "good" in sent.url for span in sent.spans()]
    assert len(good) == 40
    assert {sent.headers["x-key"] for sent in rig.post.sent if "good" in sent.url} == {"good"}
    stats = {(q.destination, q.signal): q for q in rig.telemetry.stats().queues}
    assert stats["bad", "traces"].breaker in {"open", "half_open"}
    assert stats["bad", "traces"].items == 40
    assert stats["good", "traces"].breaker == "closed"
    assert len([s for s in rig.post.of("traces") if "bad" in s.url]) < 12
    rig.post.by_url.clear()
    await rig.flush()
    bad = [span for sent in rig.post.of("traces") if "bad" in sent.url for span in sent.spans()]
    assert {span["spanId"] for span in good} <= {span["spanId"] for span in bad}


async def test_an_outage_of_five_minutes_loses_nothing_within_the_bound() -> None:
    rig = make_rig()
    rig.post.by_url["/v1/traces"] = UNAVAILABLE
    for n in range(60):
        await rig.request(f"r{n}")
        await rig.background.settle()
        rig.clock.advance(5)
    during = len(rig.post.of("traces"))
    assert during < 30
    rig.post.by_url.clear()
    for n in range(60, 130):
        await rig.request(f"r{n}")
        await rig.background.settle()
        rig.clock.advance(5)
    delivered = [span["name"] for sent in rig.post.of("traces")[during:] for span in sent.spans()]
    assert sorted(delivered) == sorted(f"r{n}{c}" for n in range(130) for c in ("", " child"))
    assert rig.telemetry.stats().dropped == {}


async def test_a_collector_down_for_the_whole_run_costs_bounded_memory() -> None:
    rig = make_rig({"OTEL_BSP_MAX_QUEUE_SIZE": "50", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50"})
    rig.post.by_url["http"] = PostError("connection", "name or service not known")
    for n in range(200):
        await rig.request(f"r{n}")
        await rig.background.settle()
        rig.clock.advance(1)
    stats = rig.telemetry.stats()
    traces = next(q for q in stats.queues if q.signal == "traces")
    assert traces.items == 50
    assert stats.dropped["traces", "queue_full"] == 350
    assert traces.last_error == "no answer: connection"


async def test_its_own_metrics_tell_what_happened() -> None:
    rig = make_rig(answers=[UNAVAILABLE])
    rig.post.by_url["/v1/traces"] = UNAVAILABLE
    await rig.request()
    await rig.background.settle()
    rig.post.by_url.clear()
    rig.clock.advance(30)
    await rig.request()
    await rig.background.settle()
    await rig.flush()
    points: dict[str, dict[str, Any]] = {}
    for sent in rig.post.of("metrics"):
        for name, metric in sent.metrics().items():
            for kind in ("sum", "gauge", "histogram"):
                for point in metric.get(kind, {}).get("dataPoints", []):
                    labels = {a["key"]: a["value"].get("stringValue") for a in point.get("attributes", [])}
                    points.setdefault(name, {})[json.dumps(labels, sort_keys=True)] = point
    by = '{"destination": "otlp", "result": "unavailable", "signal": "traces"}'
    assert points["lumigate.telemetry.export.requests"][by]["asInt"] == "1"
    assert int(points["lumigate.telemetry.export.duration"][by]["count"]) == 1
    assert '{"destination": "otlp", "signal": "traces"}' in points["lumigate.telemetry.export.retries"]
    assert '{"destination": "otlp", "signal": "logs"}' in points["lumigate.telemetry.breaker.state"]
    assert points["lumigate.telemetry.spans"]['{"decision": "kept"}']["asInt"] == "2"
    for name in ("queue.items", "queue.size", "exported", "export.size", "flush.duration", "traces.kept"):
        assert f"lumigate.telemetry.{name}" in points


async def test_the_export_itself_is_not_traced() -> None:
    """An instrumented HTTP client sees that instrumentation is suppressed."""
    from opentelemetry.instrumentation.utils import (
        is_http_instrumentation_enabled,
        is_instrumentation_enabled,
    )

    seen = []

    async def look() -> PostResult:
        seen.append((is_instrumentation_enabled(), is_http_instrumentation_enabled()))
        return OK

    rig = make_rig()
    rig.post.by_url["/v1/"] = look
    await rig.request()
    await rig.background.settle()
    await rig.flush()
    assert set(seen) == {(False, False)}
    assert is_instrumentation_enabled()


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


async def test_counts_measured_during_an_outage_are_not_lost() -> None:
    """While nobody takes metrics they stay in the instruments, where an hour costs no more memory than a second."""
    rig = make_rig()
    counter = rig.telemetry.meter_provider.get_meter("m").create_counter("c")
    rig.post.by_url["/v1/metrics"] = UNAVAILABLE
    for n in range(400):
        counter.add(1, {"k": n % 50})
        await rig.request()
        await rig.background.settle()
        rig.clock.advance(5)
    before = len(rig.post.of("metrics"))
    rig.post.by_url.clear()
    rig.clock.advance(600)
    await rig.request()
    await rig.background.settle()
    await rig.flush()
    delivered = 0
    for sent in rig.post.of("metrics")[before:]:
        for metric in sent.every_metric():
            if metric["name"] == "c":
                delivered += sum(int(point["asInt"]) for point in metric["sum"]["dataPoints"])
    assert delivered == 400
    assert rig.telemetry.stats().dropped == {}


async def test_a_host_may_have_something_of_its_own_done_with_each_flush() -> None:
    """How deltas reach the counter shard; its failure costs the exports nothing."""
    rig = make_rig(strict=False)
    calls: list[int] = []

    async def deliver() -> None:
        calls.append(len(rig.telemetry.collect_deltas()))
        raise RuntimeError("the shard is gone")

    rig.telemetry.tracer("t").start_span("s", parent=None).end()
    rig.telemetry.after_request(Host(post=rig.post, background=rig.background, on_flush=deliver))
    await rig.background.settle()
    assert len(calls) == 1
    assert rig.post.span_names() == ["s"]
    assert rig.telemetry.stats().errors == {"on_flush": 1}
    nowhere = make_rig({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, strict=False)
    nowhere.telemetry.after_request(Host(post=rig.post, background=rig.background, on_flush=deliver))
    await rig.background.settle()
    assert len(calls) == 2


async def test_metrics_collected_elsewhere_are_exported_and_replace_only_their_like() -> None:
    """As the counter shard does: cumulative, beside the engine's own."""
    rig = make_rig({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative"})
    other = make_rig()
    counter = other.telemetry.meter_provider.get_meter("shard").create_counter("elsewhere")
    for _ in range(2):
        counter.add(1)
        rig.telemetry.export_metrics(other.telemetry.meter_provider.collect(other.clock.time_ns))
    rig.telemetry.meter_provider.get_meter("m").create_counter("own").add(1)
    await rig.flush()
    names = [metric["name"] for metric in rig.post.of("metrics")[0].every_metric()]
    assert names.count("elsewhere") == 1
    assert "own" in names
    assert rig.telemetry.stats().queues[1].items == 0
