"""What is recorded is held within a bound, whatever becomes of it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from lumigate.telemetry.host import PostError
from tests.alone import alone
from tests.telemetry.fakes import make_rig

QUEUE_BYTES = 500_000


def held_behind_a_dead_collector() -> dict[str, int]:
    """Long texts, events and links in all three signals, for each of two destinations."""
    rig = make_rig(
        {
            "LUMIGATE_TELEMETRY_QUEUE_BYTES": str(QUEUE_BYTES),
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

    async def measured() -> int:
        await serve(5)
        gc.collect()
        tracemalloc.start()
        await serve(400)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    held = asyncio.run(measured())
    stats = rig.telemetry.stats()
    return {
        "held": held,
        "fullest": max(queue.bytes for queue in stats.queues),
        "spans dropped": stats.dropped["traces", "queue_full"],
        "logs dropped": stats.dropped["logs", "queue_full"],
    }


def test_a_collector_that_is_down_costs_memory_within_the_bound_whatever_is_recorded() -> None:
    measured = alone(held_behind_a_dead_collector)
    assert measured["fullest"] <= QUEUE_BYTES
    assert measured["held"] < 6 * QUEUE_BYTES
    assert measured["spans dropped"] > 400
    assert measured["logs dropped"] > 400


def held_by_spans_in_progress(sampled: bool) -> dict[str, int]:
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
    dropped = rig.telemetry.stats().attributes_dropped
    for span in spans:
        span.end()
    return {"held": held, "dropped": dropped, "held after": rig.telemetry._pipeline.live_bytes}


@pytest.mark.parametrize("sampled", [True, False])
def test_spans_in_progress_hold_bounded_memory_before_any_of_them_ends(sampled: bool) -> None:
    """What is long is accounted for when it is set: an isolate can be full of requests that have not ended."""
    measured = alone(held_by_spans_in_progress, sampled)
    assert measured["held"] < 12 << 20
    assert measured["dropped"] > 3000
    assert measured["held after"] == 0
