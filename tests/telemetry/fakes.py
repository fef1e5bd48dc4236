"""Fakes of the engine's four ports, and a telemetry engine wired to them."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lumigate.telemetry import Telemetry, TelemetryConfig
from lumigate.telemetry.host import Host, PostError, PostResult

NOON = 1_780_000_000_000_000_000
SECOND = 1_000_000_000
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
OK = PostResult(status=200, headers={"content-type": "application/json"}, body=b"{}")


class FakeClock:
    """Stands still until it is told to move; sleeping moves it, or waits to be woken by `advance`."""

    def __init__(self, now_ns: int = NOON) -> None:
        self.time_ns = now_ns
        self.reads = 0

    def now_ns(self) -> int:
        self.reads += 1
        return self.time_ns

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.time_ns += int(seconds * SECOND)


class FakeEntropy:
    """Bytes from a counter, spread over all values; the same in every run."""

    def __init__(self) -> None:
        self.drawn = 0

    def random_bytes(self, count: int) -> bytes:
        words: list[bytes] = []
        while len(words) * 8 < count:
            self.drawn += 1
            # a multiplicative hash makes the low bits look random, which sampling by trace id needs
            words.append((self.drawn * 0x9E3779B97F4A7C15 & (1 << 64) - 1).to_bytes(8))
        return b"".join(words)[:count]


type Answer = PostResult | PostError | Callable[[], Coroutine[Any, Any, PostResult]]


@dataclass
class Sent:
    """One export request as the collector saw it."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float

    @property
    def json(self) -> dict[str, Any]:
        body = zlib.decompress(self.body, 31) if self.headers.get("content-encoding") == "gzip" else self.body
        parsed: dict[str, Any] = json.loads(body)
        return parsed

    @property
    def signal(self) -> str:
        return self.url.rpartition("/")[2]

    def spans(self) -> list[dict[str, Any]]:
        return [
            span
            for resource in self.json.get("resourceSpans", [])
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def every_metric(self) -> list[dict[str, Any]]:
        return [
            metric
            for resource in self.json.get("resourceMetrics", [])
            for scope in resource["scopeMetrics"]
            for metric in scope["metrics"]
        ]

    def metrics(self) -> dict[str, dict[str, Any]]:
        """The last of each name: an export may hold several collections."""
        return {metric["name"]: metric for metric in self.every_metric()}

    def logs(self) -> list[dict[str, Any]]:
        return [
            record
            for resource in self.json.get("resourceLogs", [])
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]


@dataclass
class FakePost:
    """Answers from a script, then 200. `answers` are used up in order; `by_url` answers a URL always alike."""

    answers: list[Answer] = field(default_factory=list)
    by_url: dict[str, Answer] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> PostResult:
        self.sent.append(Sent(url, headers, body, timeout_seconds))
        fixed = next((answer for part, answer in self.by_url.items() if part in url), None)
        answer = fixed if fixed is not None else (self.answers.pop(0) if self.answers else OK)
        await asyncio.sleep(0)
        if isinstance(answer, PostError):
            raise answer
        return answer if isinstance(answer, PostResult) else await answer()

    def of(self, signal: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.signal == signal]

    def span_names(self) -> list[str]:
        return [span["name"] for sent in self.of("traces") for span in sent.spans()]


class FakeBackground:
    """`waitUntil`: runs what it is given as tasks of the running loop."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any]] = []

    def __call__(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(coroutine))

    async def settle(self) -> None:
        while any(not task.done() for task in self.tasks):
            await asyncio.gather(*self.tasks, return_exceptions=True)


class DeadBackground:
    """A platform that kills the request: what it is given never runs."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        self.given += 1
        coroutine.close()


@dataclass
class Rig:
    """An engine, its fakes, and a host for its requests."""

    telemetry: Telemetry
    clock: FakeClock
    post: FakePost
    background: FakeBackground

    @property
    def host(self) -> Host:
        return Host(post=self.post, background=self.background)

    async def flush(self) -> None:
        await self.telemetry.flush(self.host)

    async def request(self, name: str = "request", **attributes: Any) -> None:
        """One request of the application: a root span with a child."""
        tracer = self.telemetry.tracer("test")
        root = tracer.start_span(name, parent=None, attributes=attributes)
        tracer.start_span(f"{name} child", parent=root).end()
        root.end()
        self.telemetry.after_request(self.host)
        await asyncio.sleep(0)

    async def exported_spans(self) -> list[dict[str, Any]]:
        await self.flush()
        return [span for sent in self.post.of("traces") for span in sent.spans()]


def make_rig(
    environ: Mapping[str, str] | None = None,
    *,
    strict: bool = True,
    answers: Iterable[Answer] = (),
    **options: Any,
) -> Rig:
    clock, post = FakeClock(), FakePost(list(answers))
    config = TelemetryConfig.from_environ({**ENDPOINT, **(environ or {})})
    options.setdefault("entropy", FakeEntropy())
    telemetry = Telemetry(config, clock=clock, strict=strict, **options)
    return Rig(telemetry, clock, post, FakeBackground())
