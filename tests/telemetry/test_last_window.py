"""What came in before the traffic stopped is exported without waiting for a request that may never come."""

from __future__ import annotations

import asyncio

from lumigate.telemetry.host import Host, PostResult
from tests.telemetry.fakes import OK, make_rig


async def test_metrics_that_the_host_queues_during_a_flush_go_out_with_it() -> None:
    """A deployment without the shard's binding: its counts were always one flush behind, the last ones for good."""
    rig = make_rig({"OTEL_BSP_SCHEDULE_DELAY": "20"})
    counter = rig.telemetry.meter_provider.get_meter("m").create_counter("c")

    async def deliver() -> None:
        await asyncio.sleep(0)
        rig.telemetry.export_metrics(rig.telemetry.collect_deltas())

    counter.add(3)
    rig.telemetry.after_request(Host(post=rig.post, background=rig.background, on_flush=deliver))
    await rig.background.settle()
    points = [
        point["asInt"]
        for sent in rig.post.of("metrics")
        for metric in sent.every_metric()
        if metric["name"] == "c"
        for point in metric["sum"]["dataPoints"]
    ]
    assert "3" in points
    assert all(queue.items == 0 for queue in rig.telemetry.stats().queues)


async def test_traces_that_come_in_during_a_flush_still_wait_for_their_window() -> None:
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")

    async def deliver() -> None:
        tracer.start_span("meanwhile", parent=None).end()

    async def slow() -> PostResult:
        await asyncio.sleep(0)
        return OK

    rig.post.by_url["/v1/traces"] = slow
    tracer.start_span("first", parent=None).end()
    rig.telemetry.after_request(Host(post=rig.post, background=rig.background, on_flush=deliver))
    await rig.background.settle()
    assert rig.post.span_names() == ["first"]


async def test_a_window_is_opened_for_a_destination_that_is_ready_at_its_end() -> None:
    """After a first failure it is left alone for less than a window lasts."""
    rig = make_rig({"OTEL_METRICS_EXPORTER": "none"}, answers=[PostResult(status=503, headers={}, body=b"")])
    await rig.request("first")
    await rig.background.settle()
    await rig.request("second")
    await rig.background.settle()
    assert rig.post.span_names()[2:] == ["first", "first child", "second", "second child"]


async def test_metrics_that_cannot_be_collected_keep_no_spans_back() -> None:
    rig = make_rig(strict=False)

    def fails(now_ns: int) -> None:
        raise RuntimeError("a plug-in's defect")

    rig.telemetry.meter_provider.collect = fails  # type: ignore[method-assign,assignment]
    await rig.request("seen")
    await rig.background.settle()
    assert rig.post.span_names() == ["seen", "seen child"]
    assert rig.telemetry.stats().errors == {"collect": 1}
