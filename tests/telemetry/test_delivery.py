"""The whole of buffer, lease, flush and export against a model: what must be delivered, and how often.

Requests come and go, the collector fails in every way, owners are cancelled or killed at any point. Whatever happens,
each span is delivered, waiting, or counted as dropped; and it is delivered once, unless an answer was ever lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lumigate.telemetry.host import Host, PostError, PostResult
from tests.telemetry.fakes import OK, DeadBackground, make_rig

UNAVAILABLE = PostResult(status=503, headers={}, body=b"")
REJECTED = PostResult(status=400, headers={}, body=b"")
TOO_LARGE = PostResult(status=413, headers={}, body=b"")

faults = st.sampled_from(
    ["ok", "ok", "ok", "503", "400", "413", "refused", "answer lost", "cancelled", "killed"]
)
requests = st.tuples(
    st.integers(1, 4), st.sampled_from([0, 1, 5, 40]), st.sampled_from(["live", "live", "dead"])
)


async def run(script: list[tuple[tuple[int, int, str], str]]) -> None:
    rig = make_rig(
        {
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_MAX_QUEUE_SIZE": "40",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "6",
        }
    )
    delivered: Counter[str] = Counter()
    rejected = ambiguous = made = 0
    forever: list[asyncio.Future[None]] = []

    class Post:
        fault = "ok"

        async def __call__(self, url: str, **request: Any) -> PostResult:
            nonlocal rejected, ambiguous
            await rig.post(url, **request)
            spans = rig.post.sent[-1].spans()
            await asyncio.sleep(0)
            match self.fault:
                case "503":
                    return UNAVAILABLE
                case "400":
                    rejected += len(spans)
                    return REJECTED
                case "413" if len(spans) > 2:
                    return TOO_LARGE
                case "refused":
                    raise PostError("connection")
            delivered.update(span["spanId"] for span in spans)
            if self.fault in ("answer lost", "cancelled", "killed"):
                ambiguous += 1
                if self.fault == "answer lost":
                    raise PostError("timeout")
                if self.fault == "cancelled":
                    raise asyncio.CancelledError
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                forever.append(future)
                await future
            return OK

    post, tasks = Post(), list[asyncio.Task[None]]()

    def background(coroutine: Coroutine[Any, Any, None], /) -> None:
        tasks.append(asyncio.ensure_future(coroutine))

    async def settle() -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    tracer = rig.telemetry.tracer("t")
    for (spans, seconds, life), fault in script:
        post.fault = fault
        root = tracer.start_span("root", parent=None)
        for _ in range(spans - 1):
            tracer.start_span("child", parent=root).end()
        root.end()
        made += spans
        host = Host(post=post, background=background if life == "live" else DeadBackground())
        rig.telemetry.after_request(host)
        await settle()
        rig.clock.advance(seconds)
    # the storm is over: owners that were killed are found dead, and the rest is delivered
    post.fault = "ok"
    for _ in range(60):
        rig.clock.advance(400)
        rig.telemetry.after_request(Host(post=post, background=background))
        await settle()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    stats = rig.telemetry.stats()
    dropped = sum(stats.dropped.values())
    assert all(queue.items == 0 and queue.bytes == 0 for queue in stats.queues)
    assert stats.dropped.get(("traces", "rejected"), 0) == rejected
    assert set(stats.errors) == set()
    if not ambiguous:
        assert len(delivered) == made - dropped
        assert set(delivered.values()) <= {1}
    else:
        assert len(delivered) >= made - dropped


@given(st.lists(st.tuples(requests, faults), max_size=30))
@settings(max_examples=150, deadline=None)
def test_every_span_is_delivered_or_counted_and_once_unless_an_answer_was_lost(
    script: list[tuple[tuple[int, int, str], str]],
) -> None:
    asyncio.run(run(script))
