"""Collectors that fail: nobody else is starved, nothing is lost within the bound."""

from __future__ import annotations

from lumigate.telemetry.host import PostError
from tests.telemetry.fakes import make_rig
from tests.telemetry.flush.waiting import UNAVAILABLE


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
