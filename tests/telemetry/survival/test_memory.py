"""What is recorded is held within a bound, whatever becomes of it."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from lumigate.telemetry.host import PostError
from tests.telemetry.fakes import make_rig


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
