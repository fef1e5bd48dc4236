"""The load generator: traffic as a service sees it, good and bad, through the front door.

Arrivals are open-loop (a slow answer does not slow the next request down). What was sent is counted by what should
come of it, so that metrics can be compared with it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from local.mocks.issuer import TokenMint
from local.runtime.http_client import FAILURES, HttpClient

REPEATED_PROMPTS = 200
ZIPF_EXPONENT = 1.1
FRESH_SHARE = 0.35
MAX_IN_FLIGHT = 500
TIMEOUT_SECONDS = 30
TENANTS = ("acme", "globex", "initech")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request: how often, how it is made, and the statuses that are right for it."""

    weight: float
    statuses: tuple[int, ...]
    stream: bool = False
    bearer: str = "valid"
    model: str = ""
    marker: str = ""
    raw_body: bytes | None = None
    hang_up: bool = False


KINDS: Mapping[str, Kind] = {
    "chat": Kind(weight=44, statuses=(200,)),
    "stream": Kind(weight=30, statuses=(200,), stream=True),
    "expired_token": Kind(weight=5, statuses=(401,), bearer="expired"),
    "missing_token": Kind(weight=4, statuses=(401,), bearer=""),
    "not_json": Kind(weight=2, statuses=(400,), raw_body=b"{not json"),
    "unknown_model": Kind(weight=2, statuses=(400, 404), model="no-such-model"),
    "upstream_error": Kind(weight=4, statuses=(500, 502, 503, 504), marker="[[mock fault=status-500]]"),
    "upstream_html": Kind(weight=2, statuses=(502,), marker="[[mock fault=html]]"),
    "cut_stream": Kind(weight=3, statuses=(200,), stream=True, marker="[[mock fault=half-event]]"),
    "hang_up": Kind(weight=4, statuses=(200,), stream=True, marker="[[mock chunk-ms=100]]", hang_up=True),
}
"""What is sent, in what proportion, and the statuses that are the right answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One request, ready to be sent."""

    name: str
    kind: Kind
    headers: Mapping[str, str]
    content: bytes


@dataclass(slots=True, kw_only=True)
class LoadCounts:
    """What happened so far, by kind. `unexpected` counts answers with a status that is wrong for their kind."""

    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    unexpected: Counter[tuple[str, int]] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    """Not sent because too many were in flight."""


class LoadGenerator:
    """Sends `rps` requests a second to `url` until cancelled. The same seed makes the same sequence."""

    def __init__(
        self, url: str, mint: TokenMint, *, rps: float, model: str = "gpt-5-mini", seed: int | None = None
    ) -> None:
        self.counts = LoadCounts()
        self._url = f"{url}/v1/chat/completions"
        self._rps = rps
        self._model = model
        self._random = random.Random(seed)
        self._fresh = itertools.count(1)
        self._run_id = f"{self._random.getrandbits(32):08x}"
        self._in_flight: set[asyncio.Task[None]] = set()
        self._tokens = {
            "valid": [
                mint.valid(sub=f"{tenant}-user", tenant=tenant, ttl_seconds=86_400) for tenant in TENANTS
            ],
            "expired": [mint.expired(sub=f"{tenant}-user", tenant=tenant) for tenant in TENANTS],
        }
        self._names = list(KINDS)
        self._weights = [kind.weight for kind in KINDS.values()]
        self._zipf = [1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(REPEATED_PROMPTS)]

    async def run(self, seconds: float = math.inf) -> None:
        """Send for that long, then wait for the answers; when cancelled, drop what is in flight."""
        async with HttpClient() as client:
            try:
                await self._pace(client, seconds)
                await asyncio.gather(*self._in_flight)
            finally:
                for task in self._in_flight:
                    task.cancel()
                await asyncio.gather(*self._in_flight, return_exceptions=True)

    def plan(self) -> Planned:
        """The next request of the sequence."""
        (name,) = self._random.choices(self._names, self._weights)
        kind = KINDS[name]
        headers = {"content-type": "application/json"}
        if kind.bearer:
            headers["authorization"] = f"Bearer {self._random.choice(self._tokens[kind.bearer])}"
        content = kind.raw_body if kind.raw_body is not None else json.dumps(self._body(kind)).encode()
        return Planned(name=name, kind=kind, headers=headers, content=content)

    async def _pace(self, client: HttpClient, seconds: float) -> None:
        due = time.perf_counter()
        end = due + seconds
        while (due := due + self._random.expovariate(self._rps)) < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            planned = self.plan()
            if len(self._in_flight) >= MAX_IN_FLIGHT:
                self.counts.skipped += 1
                continue
            task = asyncio.get_running_loop().create_task(self._send(client, planned))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    async def _send(self, client: HttpClient, planned: Planned) -> None:
        name, kind = planned.name, planned.kind
        self.counts.sent[name] += 1
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await client.send("POST", self._url, planned.headers, planned.content)
                try:
                    self._note(name, kind, response.status)
                    while await response.content.readany():
                        if kind.hang_up:
                            return
                finally:
                    response.close()
        except aiohttp.ClientPayloadError:  # the answer broke off
            if name != "cut_stream":
                self.counts.unanswered[name] += 1
        except FAILURES:
            self.counts.unanswered[name] += 1

    def _note(self, name: str, kind: Kind, status: int) -> None:
        self.counts.statuses[name, status] += 1
        if status not in kind.statuses:
            self.counts.unexpected[name, status] += 1

    def _body(self, kind: Kind) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": kind.model or self._model,
            "messages": [{"role": "user", "content": f"{self._prompt(kind)} {kind.marker}".strip()}],
        }
        if kind.stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return body

    def _prompt(self, kind: Kind) -> str:
        # What misbehaves must reach the upstream, so it is never a prompt that may be in the cache.
        if kind.marker or self._random.random() < FRESH_SHARE:
            return f"A fresh question {self._run_id}-{next(self._fresh)}"
        (rank,) = self._random.choices(range(REPEATED_PROMPTS), self._zipf)
        return f"A question often asked, number {rank}"
