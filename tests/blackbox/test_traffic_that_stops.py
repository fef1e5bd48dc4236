"""Much at once, clients that leave anywhere, a slow collector; then silence. Nothing is missing, nothing is double."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter

import httpx
import pytest

from tests.blackbox.conftest import PATIENCE, Stage

CHAT = "/v1/chat/completions"
REQUESTS = 80
AT_ONCE = 16


async def one(client: httpx.AsyncClient, stage: Stage, number: int, chance: random.Random) -> None:
    """A request of some kind; some clients leave before the answer, or in the middle of it."""
    headers = stage.headers()
    content = f"[[mock tokens=20 chunk-ms=5 first-byte-ms={chance.choice((0, 40))}]] {chance.random()}"
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]}
    kind = number % 5
    try:
        if kind == 0:
            await client.get("/v1/models", headers=headers)
        elif kind == 1:
            await client.post(CHAT, json=body, headers=headers)
        elif kind == 2:
            await client.post(CHAT, json=body, headers=headers, timeout=chance.uniform(0.01, 0.3))
        else:
            async with client.stream("POST", CHAT, json=body | {"stream": True}, headers=headers) as answer:
                left = chance.randrange(1, 15) if kind == 3 else 1_000
                async for _ in answer.aiter_bytes():
                    left -= 1
                    if not left:
                        return
    except httpx.TimeoutException:
        return


async def traffic(stage: Stage) -> None:
    chance, gate = random.Random(7), asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=stage.url, timeout=PATIENCE) as client:

        async def through(number: int) -> None:
            async with gate:
                await one(client, stage, number, chance)

        await asyncio.gather(*(through(number) for number in range(REQUESTS)))


def counted(stage: Stage, client: httpx.Client) -> int:
    """Requests in the shard's metrics, but those for the metrics themselves."""
    text = client.get("/metrics", headers={"authorization": "Bearer blackbox-metrics"}).text
    lines = re.findall(r"^http_server_request_duration_seconds_count\{(.*)\} (\S+)$", text, re.MULTILINE)
    return sum(int(float(count)) for labels, count in lines if 'http_route="/metrics"' not in labels)


@pytest.mark.parametrize("pause_seconds", [0.0, 0.4])
def test_each_request_is_told_once_in_every_signal_after_the_traffic_stopped(
    staged: Stage, http: httpx.Client, pause_seconds: float
) -> None:
    collector = staged.collector
    assert collector is not None
    known = {event["request_id"] for event in requests_of(staged)}

    def told() -> list[dict[str, str]]:
        return [event for event in requests_of(staged) if event["request_id"] not in known]

    def roots() -> Counter[str]:
        mine = {event["trace_id"] for event in told()}
        names = ("GET ", "POST ")
        every = [span for span in collector.spans() if span.name.startswith(names)]
        return Counter(span.trace_id.hex() for span in every if span.trace_id.hex() in mine)

    def settled() -> bool:
        """A client that gave up while it was connecting may never have been seen."""
        seen = told()
        return (
            len(seen) >= REQUESTS * 0.8
            and len(roots()) == len(seen)
            and counted(staged, http) == len(requests_of(staged))
        )

    collector.pause_seconds = pause_seconds
    try:
        asyncio.run(traffic(staged))
        deadline = time.monotonic() + PATIENCE
        while not settled() and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        collector.pause_seconds = 0.0
    events = told()
    assert len(events) >= REQUESTS * 0.8
    assert len({event["request_id"] for event in events}) == len(events)
    assert {event["trace_id"] for event in events} - set(roots()) == set()
    spans = Counter(span.span_id for span in collector.spans())
    assert [span_id for span_id, times in spans.items() if times > 1] == []
    assert counted(staged, http) == len(requests_of(staged))


def requests_of(stage: Stage) -> list[dict[str, str]]:
    """The requests that are over, but those for metrics: they count themselves when they have answered."""
    return [e for e in stage.events() if e.get("event") == "request" and e["route"] != "/metrics"]
