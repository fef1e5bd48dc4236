from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter

from local.load import KINDS, LoadGenerator
from local.mocks.openai_upstream import Behaviour
from local.runtime.embedded import EmbeddedRuntime


async def test_traffic_is_answered_as_each_kind_should_be() -> None:
    async with EmbeddedRuntime(behaviour=Behaviour(completion_tokens=6)) as runtime:
        load = LoadGenerator(runtime.url, runtime.issuer, rps=150, seed=7)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.5):
                await load.run()
        sent = sum(load.counts.sent.values())
        assert sent > 150
        assert set(load.counts.sent) == set(KINDS)
        assert not load.counts.unexpected
        assert not load.counts.unanswered
        assert load.counts.skipped == 0
        events = [json.loads(line) for line in runtime.ports.console.lines]
    statuses = Counter(event["status"] for event in events if event["event"] == "request")
    answered = Counter({status: 0 for status in statuses})
    for (_, status), count in load.counts.statuses.items():
        answered[status] += count
    refused = load.counts.sent["expired_token"] + load.counts.sent["missing_token"]
    assert abs(statuses[401] - refused) <= 3  # what was in flight at the end
    assert {event["cache"] for event in events if event.get("cache")} >= {"hit-l1", "miss"}


async def test_the_same_seed_sends_the_same_sequence() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.bodies: list[bytes] = []

    async def first_bodies(count: int) -> list[bytes]:
        async with EmbeddedRuntime() as runtime:
            load = LoadGenerator(runtime.url, runtime.issuer, rps=300, seed=3)
            running = asyncio.create_task(load.run())
            async with asyncio.timeout(10):
                while len(runtime.upstream.requests) < count:
                    await asyncio.sleep(0.01)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            return sorted(request.body for request in list(runtime.upstream.requests)[: count // 2])

    one, two = await first_bodies(40), await first_bodies(40)
    assert len(set(one) & set(two)) > 5
