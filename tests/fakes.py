"""Fakes of the ports, and the two things most tests stand on: a scope of one request and a gateway.

Clock and ids are fixed, so every run records the same. What a fake was asked is kept in plain lists; each can be told
to fail. Spans and metrics are those of the real telemetry engine, seen through `Observed`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, cast

from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

from local.runtime.aead import LocalAead
from lumigate import catalog
from lumigate.config import Settings
from lumigate.gateway import Gateway
from lumigate.http.types import Disconnect, Request, Response
from lumigate.instruments import Instruments
from lumigate.ports import (
    Aead,
    Background,
    BlobStore,
    Clock,
    Console,
    CounterShard,
    Crypto,
    DataPoints,
    Entropy,
    Fetch,
    FetchError,
    KeyValue,
    ModelBinding,
    Ports,
    Post,
    RateLimit,
    StreamInterrupted,
    VerifyKey,
)
from lumigate.scope import Facts, Scope
from lumigate.telemetry import Telemetry
from lumigate.telemetry.host import PostResult
from lumigate.telemetry.readable import ReadableSpan
from lumigate.telemetry.records import HistogramPoint, NumberPoint

NOW_SECONDS = 1_700_000_000
ISSUER = "https://issuer.example/"
AUDIENCE = "lumigate"
JWKS_URL = "https://issuer.example/jwks.json"
API_KEY = "test-key-of-acme"
PROVIDER_KEY = "sk-provider-secret"

ENVIRON: Mapping[str, Any] = {
    "ENVIRONMENT": "test",
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "JWKS_URL": JWKS_URL,
    "API_KEYS": f"acme:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
    "MODELS": json.dumps(
        {
            "fast": {
                "provider": "openai",
                "model": "gpt-4o-mini",
                "input_usd_per_mtok": 0.15,
                "output_usd_per_mtok": 0.6,
            }
        }
    ),
    "RETRY_ATTEMPTS": "1",
    "OPENAI_API_KEY": PROVIDER_KEY,
    "OPENAI_BASE_URL": "https://upstream.example/v1",
}


def raised_by[E: Exception](kind: type[E], function: Callable[..., Any], *args: Any) -> E | None:
    """The error of that kind that a call raises; None if it returns. Any other error passes on."""
    try:
        function(*args)
    except kind as error:
        return error
    return None


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- time and chance --------------------------------------------------------------------------------------------------


class FakeClock:
    """Stands where it is put; `sleep` moves it."""

    def __init__(self, seconds: float = NOW_SECONDS) -> None:
        self.ns = int(seconds * 1e9)
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


class FakeEntropy:
    """The same bytes in every run, never twice in one."""

    def __init__(self) -> None:
        self._drawn = 0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_128(self._drawn.to_bytes(8, "big")).digest(count)


# --- fetch ------------------------------------------------------------------------------------------------------------

type Piece = bytes | Exception | asyncio.Event | Callable[[], None]
"""What comes of a body: bytes, a fault, silence until an event, or something that happens in between."""


class FakeAnswer:
    """A scripted `FetchResponse`; `cancelled` and `read_bytes` tell what was done with it."""

    def __init__(
        self, status: int = 200, headers: Mapping[str, str] | None = None, pieces: Iterable[Piece] = ()
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": "application/json", **(headers or {})}
        self.cancelled = False
        self.read_bytes = 0
        self._pieces = list(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(0)
            if self.cancelled:
                raise StreamInterrupted("connection", "cancelled")
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, bytes):
                self.read_bytes += len(piece)
                yield piece
            elif isinstance(piece, asyncio.Event):
                await piece.wait()
            else:
                piece()

    async def read(self, limit_bytes: int) -> bytes | None:
        body = b""
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit_bytes:
                self.cancel()
                return None
        return body

    def cancel(self) -> None:
        self.cancelled = True


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> FakeAnswer:
    return FakeAnswer(status, headers, [json.dumps(content).encode()])


def stream_answer(*pieces: Piece) -> FakeAnswer:
    return FakeAnswer(200, {"content-type": "text/event-stream"}, pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCall:
    """One request that was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")


class FakeFetch:
    """Gives the scripted answers, in order for each URL; an unscripted URL cannot be reached."""

    def __init__(self) -> None:
        self.calls: list[FetchCall] = []
        self._script: dict[str, list[FakeAnswer | Exception]] = {}

    def script(self, url: str, *answers: FakeAnswer | Exception) -> None:
        """Answers for a URL. The last one serves for good if it is a fault, else once."""
        self._script.setdefault(url, []).extend(answers)

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_seconds: float,
        idle_timeout_seconds: float,
    ) -> FakeAnswer:
        self.calls.append(FetchCall(method=method, url=url, headers=dict(headers), body=body))
        await asyncio.sleep(0)
        script = self._script.get(url)
        if not script:
            raise FetchError("connection", "nobody answers there")
        answer = script[0] if len(script) == 1 and isinstance(script[0], Exception) else script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def chunkings(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """The ways to cut bytes into chunks, in the middle of characters and line ends too."""

    def cut(places: set[int]) -> list[bytes]:
        bounds = [0, *sorted(places), len(data)]
        return [data[start:end] for start, end in pairwise(bounds)]

    return st.sets(st.integers(0, len(data)), max_size=30).map(cut)


# --- stores, sinks, limits --------------------------------------------------------------------------------------------


class FakeKeyValue:
    """A dictionary; `fault`, once set, is raised by every call."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.ttl_seconds: dict[str, int] = {}
        self.fault: Exception | None = None

    async def get(self, key: str) -> bytes | None:
        self._check()
        return self.values.get(key)

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        self._check()
        self.values[key] = value
        self.ttl_seconds[key] = ttl_seconds

    async def delete(self, key: str) -> None:
        self._check()
        self.values.pop(key, None)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One data point that was written."""

    index: str
    blobs: Sequence[str]
    doubles: Sequence[float]


class FakeDataPoints:
    """Keeps the points; `fault`, once set, is raised."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.fault: Exception | None = None

    def write(self, *, index: str, blobs: Sequence[str], doubles: Sequence[float]) -> None:
        if self.fault is not None:
            raise self.fault
        self.points.append(Point(index=index, blobs=blobs, doubles=doubles))


class FakeConsole:
    """Keeps the lines; `fault`, once set, is raised."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fault: Exception | None = None

    def __call__(self, line: str, /) -> None:
        if self.fault is not None:
            raise self.fault
        self.lines.append(line)

    def events(self, name: str = "request") -> list[dict[str, Any]]:
        """The wide events of that name."""
        parsed = [json.loads(line) for line in self.lines]
        return [event for event in parsed if event["event"] == name]


class FakeRateLimit:
    """Says `answer`, or raises it."""

    def __init__(self, answer: bool | Exception = True) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def allow(self, key: str) -> bool:
        self.asked.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class FakeBackground:
    """Keeps the coroutines it is given until `run`; what is never run is closed at the end of the test."""

    made: ClassVar[list[FakeBackground]] = []
    """Those of the test that is running. Held on to, because a collector of garbage ends coroutines in any order."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, Any]] = []
        self.made.append(self)

    @classmethod
    def close_all(cls) -> None:
        for background in cls.made:
            for coroutine in background.waiting:
                coroutine.close()
        cls.made.clear()

    def __call__(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        self.waiting.append(coroutine)

    async def run(self) -> None:
        """Let all of it finish, and what it starts in turn."""
        while self.waiting:
            await self.waiting.pop(0)


class FakePost:
    """A collector that takes everything, or answers `status`; `fault`, once set, is raised."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.fault: Exception | None = None

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> PostResult:
        self.urls.append(url)
        self.bodies.append(body)
        if self.fault is not None:
            raise self.fault
        return PostResult(status=self.status, headers={}, body=b"{}")


# --- crypto -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FakeKey:
    """What `FakeCrypto` imports."""

    secret: str


class FakeCrypto:
    """Signatures that anyone can make: the SHA-256 of the key's `n` and the message. No security, no cost."""

    def __init__(self) -> None:
        self.imported: list[str] = []

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> FakeKey:
        secret = jwk.get("n")
        if not isinstance(secret, str):
            raise ValueError("'n' is missing")
        await asyncio.sleep(0)
        self.imported.append(secret)
        return FakeKey(secret)

    async def verify(self, key: VerifyKey, signature: bytes, message: bytes) -> bool:
        await asyncio.sleep(0)
        assert isinstance(key, FakeKey)
        return signature == fake_signature(key.secret, message)


def fake_signature(secret: str, message: bytes) -> bytes:
    return hashlib.sha256(secret.encode() + message).digest()


def fake_jwk(kid: str, **members: Any) -> dict[str, Any]:
    """A key that `FakeCrypto` can import and `make_token` signs with."""
    return {"kty": "RSA", "kid": kid, "n": f"secret of {kid}", "e": "AQAB", **members}


def key_set(*kids: str) -> FakeAnswer:
    return json_answer({"keys": [fake_jwk(kid) for kid in kids]})


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def make_claims(**changes: Any) -> dict[str, Any]:
    """Claims that are accepted at `NOW_SECONDS`; a value of None takes one out."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "developer",
        "tenant": "acme",
        "iat": NOW_SECONDS - 10,
        "exp": NOW_SECONDS + 3600,
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def make_token(
    claims: Any = None,
    *,
    kid: str = "k1",
    header: Mapping[str, Any] | None = None,
    signature: bytes | None = None,
) -> str:
    """A compact token, signed as `FakeCrypto` checks it. A header value of None takes the member out."""
    members = {"alg": "RS256", "kid": kid, **(header or {})}
    head = json.dumps({name: value for name, value in members.items() if value is not None})
    payload = json.dumps(make_claims() if claims is None else claims)
    signed = f"{base64url(head.encode())}.{base64url(payload.encode())}"
    if signature is None:
        signature = fake_signature(f"secret of {kid}", signed.encode())
    return f"{signed}.{base64url(signature)}"


# --- ports ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class FakePorts:
    """A fake for every port; replace what a test is about."""

    clock: FakeClock = field(default_factory=FakeClock)
    entropy: FakeEntropy = field(default_factory=FakeEntropy)
    fetch: FakeFetch = field(default_factory=FakeFetch)
    post: FakePost = field(default_factory=FakePost)
    crypto: Crypto = field(default_factory=FakeCrypto)
    aead: Aead = field(default_factory=LocalAead)
    background: FakeBackground = field(default_factory=FakeBackground)
    console: FakeConsole = field(default_factory=FakeConsole)
    key_value: FakeKeyValue | None = field(default_factory=FakeKeyValue)
    blobs: BlobStore | None = None
    data_points: FakeDataPoints | None = field(default_factory=FakeDataPoints)
    rate_limit: FakeRateLimit | None = field(default_factory=FakeRateLimit)
    ai: ModelBinding | None = None
    shards: dict[str, CounterShard] = field(default_factory=dict)

    def shard(self, name: str) -> CounterShard | None:
        return self.shards.get(name)


def fake_ports(**overrides: Any) -> FakePorts:
    return FakePorts(**overrides)


# The fakes have the shapes of the ports: a type checker reads this, nothing runs it.
def _conforms(ports: FakePorts) -> Ports:
    clock: Clock = ports.clock
    entropy: Entropy = ports.entropy
    fetch: Fetch = ports.fetch
    post: Post = ports.post
    background: Background = ports.background
    console: Console = ports.console
    key_value: KeyValue | None = ports.key_value
    data_points: DataPoints | None = ports.data_points
    rate_limit: RateLimit | None = ports.rate_limit
    del clock, entropy, fetch, post, background, console, key_value, data_points, rate_limit
    return ports


# --- what was observed ------------------------------------------------------------------------------------------------


class Observed:
    """The finished spans and the metrics of a telemetry engine."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.spans: list[ReadableSpan] = []
        self._telemetry = telemetry
        self._totals: dict[str, dict[frozenset[tuple[str, Any]], float]] = {}
        telemetry.tracer_provider.add_span_processor(self)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """A span processor's; only ends count here."""

    def on_end(self, span: Any) -> None:
        self.spans.append(span)

    def span(self, name: str) -> ReadableSpan:
        """The one finished span of that name."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"{len(found)} spans are named {name!r}: {[span.name for span in self.spans]}"
        return found[0]

    def total(self, metric: str, **attributes: Any) -> float:
        """The sum of a counter, or the number of a histogram's measurements, over points with these attributes.

        Attribute names are written with `__` for a dot: `lumigate__outcome="complete"`.
        """
        self._collect()
        wanted = {(name.replace("__", "."), value) for name, value in attributes.items()}
        points = self._totals.get(metric, {})
        return sum(value for labels, value in points.items() if wanted <= labels)

    def labels(self, metric: str) -> list[dict[str, Any]]:
        """The attribute sets a metric was recorded with."""
        self._collect()
        return [dict(labels) for labels in self._totals.get(metric, {})]

    def _collect(self) -> None:
        for data in self._telemetry.collect_deltas():
            totals = self._totals.setdefault(data.name, {})
            for point in data.points:
                assert isinstance(point, NumberPoint | HistogramPoint)
                amount = point.value if isinstance(point, NumberPoint) else point.count
                key = frozenset(point.attributes.items())
                if amount:
                    totals[key] = totals.get(key, 0) + amount

    def tree(self, *attributes: str) -> str:
        """The span trees as indented lines: name, kind, `!` and the error's code if it failed, then `attributes`.

        Children stand under their parent in the order in which they were started.
        """
        lines: list[str] = []

        def draw(parent_id: int, depth: int) -> None:
            for span in sorted(self.spans, key=lambda s: s.start_time):
                known = {s.context.span_id for s in self.spans}
                above = span.parent.span_id if span.parent is not None else 0
                if above == parent_id or (parent_id == 0 and above not in known):
                    lines.append("  " * depth + _line(span, attributes))
                    draw(span.context.span_id, depth + 1)

        draw(0, 0)
        return "\n".join(lines)


def _line(span: ReadableSpan, attributes: Sequence[str]) -> str:
    words = [span.name]
    if span.kind is not SpanKind.INTERNAL:
        words.append(f"[{span.kind.name.lower()}]")
    if not span.status.is_unset:
        words.append(f"!{span.attributes.get('error.type', '')}")
    words += [str(span.attributes[name]) for name in attributes if name in span.attributes]
    return " ".join(words)


# --- a scope ----------------------------------------------------------------------------------------------------------


class FakeRecorder:
    """Keeps how the request ended; the first to say so is believed, as with the real one."""

    def __init__(self) -> None:
        self.endings: list[tuple[int, str, str]] = []

    def finish(self, scope: Scope, ports: Ports, status: int, outcome: str, error_code: str) -> None:
        if not scope.facts.finished:
            scope.facts.finished = True
            self.endings.append((status, outcome, error_code))
            scope.span.end()


@dataclass(slots=True, kw_only=True)
class ScopeUnderTest:
    """A scope and everything around it."""

    scope: Scope
    ports: FakePorts
    observed: Observed
    recorder: FakeRecorder


def make_request(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    disconnect: Disconnect | None = None,
) -> Request:
    async def read_body(limit_bytes: int) -> bytes | None:
        await asyncio.sleep(0)
        return body if len(body) <= limit_bytes else None

    return Request(
        method=method,
        path=path,
        headers=headers or {},
        read_body=read_body,
        country="DE",
        colo="FRA",
        disconnect=disconnect or Disconnect(),
    )


def make_settings(**environ: Any) -> Settings:
    """Settings that work; a value of None takes one out."""
    merged = {**ENVIRON, **environ}
    return Settings.from_environ({name: value for name, value in merged.items() if value is not None})


def make_scope(
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    tenant: str = "acme",
    ports: FakePorts | None = None,
    telemetry: Telemetry | None = None,
) -> ScopeUnderTest:
    """One request's scope over fakes and the real, strict telemetry engine."""
    ports = ports or fake_ports()
    telemetry = telemetry or Telemetry(
        make_settings().telemetry,
        clock=ports.clock,
        entropy=ports.entropy,
        metrics=catalog.METRICS,
        strict=True,
    )
    observed = Observed(telemetry)
    tracer = telemetry.tracer("test")
    recorder = FakeRecorder()
    now_ns = ports.clock.now_ns()
    scope = Scope(
        request=make_request(headers=headers, body=body),
        ports=ports,
        clock=ports.clock,
        tracer=tracer,
        span=tracer.start_span("request", kind=SpanKind.SERVER, parent=None),
        instruments=Instruments(telemetry),
        facts=Facts(
            request_id="req_test",
            method="POST",
            route="/v1/chat/completions",
            started_ns=now_ns,
            last_active_ns=now_ns,
            tenant=tenant,
        ),
        recorder=recorder,
    )
    return ScopeUnderTest(scope=scope, ports=ports, observed=observed, recorder=recorder)


# --- a gateway --------------------------------------------------------------------------------------------------------

UPSTREAM_URL = "https://upstream.example/v1/chat/completions"
CHAT_BODY: Mapping[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
WITH_KEY: Mapping[str, str] = {"authorization": f"Bearer {API_KEY}"}


def completion(content: str = "Hi.", **changes: Any) -> dict[str, Any]:
    """A `chat.completion` as OpenAI sends it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
    } | changes


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def chunk(content: str = "", finish_reason: str | None = None, **changes: Any) -> dict[str, Any]:
    """A `chat.completion.chunk` as OpenAI sends it."""
    delta = {"content": content} if content else {}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-mini-2024",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        "usage": None,
    } | changes


USAGE_EVENT = event(
    chunk(choices=[], usage={"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500})
)
DONE_EVENT = b"data: [DONE]\n\n"
STREAM: Sequence[bytes] = (
    event(chunk("Grüße, ")),
    event(chunk("Welt 🌍")),
    event(chunk(finish_reason="stop")),
    USAGE_EVENT,
    DONE_EVENT,
)
"""A whole stream, an event a piece."""


@dataclass(slots=True, kw_only=True)
class GatewayUnderTest:
    """A gateway, its ports (shared by all requests, as the embedded runtime does) and what it recorded."""

    gateway: Gateway
    ports: FakePorts
    observed: Observed

    async def send(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        *,
        headers: Mapping[str, str] = WITH_KEY,
        body: Any = CHAT_BODY,
        disconnect: Disconnect | None = None,
    ) -> Response:
        """`body` is sent as JSON unless it is bytes. The answer's body may be a stream."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = make_request(method, path, headers=headers, body=raw, disconnect=disconnect)
        return await self.gateway.handle(request, self.ports)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.ports.console.events()


async def whole_body(response: Response) -> bytes:
    """Drain an answer, streamed or not."""
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([piece async for piece in response.body])


def error_of(response: Response) -> dict[str, Any]:
    """The error object of an answer."""
    assert isinstance(response.body, bytes)
    return cast("dict[str, Any]", json.loads(response.body)["error"])


def make_gateway(ports: FakePorts | None = None, **environ: Any) -> GatewayUnderTest:
    """A gateway over fakes; `environ` overrides `ENVIRON`."""
    ports = ports or fake_ports()
    gateway = Gateway(make_settings(**environ), clock=ports.clock, entropy=ports.entropy, version="1.2.3")
    return GatewayUnderTest(gateway=gateway, ports=ports, observed=Observed(gateway.telemetry))
