"""Random traffic in virtual time that stops: every span arrives once, without a request to push the last ones."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter

import pytest

from lumigate.telemetry import Telemetry, TelemetryConfig
from lumigate.telemetry.host import Host, PostResult
from tests.telemetry.fakes import ENDPOINT, NOON, OK, FakeBackground, FakeEntropy, Sent


class VirtualClock:
    """Time that passes only when everybody waits for it."""

    def __init__(self) -> None:
        self.time_ns = NOON
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._asleep = 0

    def now_ns(self) -> int:
        return self.time_ns

    async def sleep(self, seconds: float) -> None:
        self._asleep += 1
        wakes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time_ns + int(seconds * 1e9), self._asleep, wakes))
        await wakes

    async def run(self, seconds: float = float("inf")) -> None:
        """Until so much time has passed, or nobody sleeps any more."""
        until_ns = self.time_ns + seconds * 1e9
        while True:
            for _ in range(50):
                await asyncio.sleep(0)
            if not self._sleepers or self._sleepers[0][0] > until_ns:
                break
            at_ns, _, wakes = heapq.heappop(self._sleepers)
            self.time_ns = max(self.time_ns, at_ns)
            if not wakes.done():
                wakes.set_result(None)
        if until_ns != float("inf"):
            self.time_ns = int(until_ns)


class Simulation:
    """An engine with random settings, destinations that take a random time, and what they got."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.clock, self.background = VirtualClock(), FakeBackground()
        self.slowest = chance.choice([0.01, 0.5, 1.5])
        self.got: Counter[tuple[str, str]] = Counter()
        settings = {
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": chance.choice(["16", "32", "512"]),
            "OTEL_BSP_SCHEDULE_DELAY": chance.choice(["0", "200", "1000"]),
            "OTEL_METRICS_EXPORTER": chance.choice(["otlp", "none"]),
            "LUMIGATE_TELEMETRY_FLUSH": chance.choice(["window", "window", "window", "request"]),
        }
        if chance.random() < 0.3:
            settings |= {"LUMIGATE_OTLP_DESTINATIONS": "b,c"}
            settings |= {f"LUMIGATE_OTLP_{name}_ENDPOINT": f"http://{name}" for name in "BC"}
        self.telemetry = Telemetry(
            TelemetryConfig.from_environ({**ENDPOINT, **settings}),
            clock=self.clock,
            entropy=FakeEntropy(),
            strict=True,
        )
        on_flush = self._deliver if chance.random() < 0.3 else None
        self.host = Host(post=self._post, background=self.background, on_flush=on_flush)

    async def _post(self, url: str, **request: object) -> PostResult:
        sent = Sent(url, **request)  # type: ignore[arg-type]
        await self.clock.sleep(self.chance.uniform(0, self.slowest))
        if sent.signal == "traces":
            self.got.update((url, span["name"]) for span in sent.spans())
        return OK

    async def _deliver(self) -> None:
        await self.clock.sleep(self.chance.uniform(0, self.slowest))
        self.telemetry.export_metrics(self.telemetry.collect_deltas())

    async def traffic(self) -> int:
        """Requests with two spans each; how many there were."""
        requests, gap = self.chance.randrange(1, 60), self.chance.choice([0.0, 0.01, 0.3, 1.5])
        tracer = self.telemetry.tracer("t")
        for number in range(requests):
            root = tracer.start_span(f"root {number}", parent=None)
            tracer.start_span(f"child {number}", parent=root).end()
            root.end()
            self.telemetry.after_request(self.host)
            await self.clock.run(self.chance.uniform(0, gap))
        return requests


@pytest.mark.parametrize("seed", range(60))
async def test_every_span_arrives_once_after_the_traffic_stopped(seed: int) -> None:
    simulation = Simulation(seed)
    requests = await simulation.traffic()
    await simulation.clock.run()
    assert all(task.done() and task.exception() is None for task in simulation.background.tasks)
    stats = simulation.telemetry.stats()
    assert [queue for queue in stats.queues if queue.items] == []
    destinations = sum(queue.signal == "traces" for queue in stats.queues)
    assert len(simulation.got) == 2 * requests * destinations
    assert set(simulation.got.values()) == {1}
    assert stats.dropped == {}


async def test_what_several_windows_left_to_one_export_is_sent_to_the_last_item() -> None:
    """It was sent as far as one export holds, and the rest forgotten."""
    simulation = Simulation(seed=0)
    clock, slow = simulation.clock, asyncio.Event()
    sent: list[int] = []

    async def post(url: str, **request: object) -> PostResult:
        sent.append(len(Sent(url, **request).spans()))  # type: ignore[arg-type]
        if len(sent) == 1:
            await slow.wait()
        return OK

    settings = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4", "OTEL_METRICS_EXPORTER": "none"}
    telemetry = Telemetry(
        TelemetryConfig.from_environ({**ENDPOINT, **settings}),
        clock=clock,
        entropy=FakeEntropy(),
        strict=True,
    )
    host = Host(post=post, background=simulation.background)
    for number in range(7):
        telemetry.tracer("t").start_span(f"span {number}", parent=None).end()
        telemetry.after_request(host)
        await clock.run(1.1)
    slow.set()
    await clock.run()
    assert sent == [1, 4, 2]
