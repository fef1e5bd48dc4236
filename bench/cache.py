"""What a hit in memory costs us: the whole request, and the cache's own part of it; and what near matching adds.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide. Nothing here waits for anything, so coroutines are
driven by hand. Bars are those that the project holds itself to; the last rows are ratios, which travel between
machines: the cache's part against parsing and hashing the same body, which any exact cache must do.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from statistics import median
from typing import Any

from bench.contest import Row
from lumigate.cache.key import cache_key
from lumigate.cache.near.query import near_query
from lumigate.config import Settings
from lumigate.gateway import Gateway
from lumigate.http.types import Request, Response

IN_PYODIDE = sys.platform == "emscripten"
BAR_MS = 2.0 if IN_PYODIDE else 0.5
_KEY = "bench-key"
_URL = "https://upstream.example/v1/chat/completions"
_TEXT = "Explain how a content delivery network decides what to keep, and for how long. " * 8
BODY = {
    "model": "fast",
    "temperature": 0.2,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": _TEXT}],
}
_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-mini",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": _TEXT * 2}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 150, "completion_tokens": 300, "total_tokens": 450},
}


def measure(rounds: int = 21) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    gateway, ports = _gateway(), _Ports()
    raw = json.dumps(BODY).encode()

    def ask() -> Response:
        response = _driven(gateway.handle(_request(raw), ports))
        ports.end()
        return response

    assert ask().headers["x-lumigate-cache"] == "miss"
    answer = ask()
    assert answer.headers["x-lumigate-cache"] == "hit-l1"
    whole_us = _us(ask, rounds)
    key_us = _us(lambda: cache_key(namespace="t:acme", policy="p", body=BODY, any_form=True), rounds)
    floor_us = _us(
        lambda: hashlib.sha256(json.dumps(json.loads(raw), sort_keys=True).encode()).digest(), rounds
    )
    near_us = _us(lambda: near_query("t:acme", "p", BODY, any_form=True), rounds)
    telemetry_off = _gateway(OTEL_TRACES_SAMPLER="always_off")

    def ask_untold() -> Response:
        response = _driven(telemetry_off.handle(_request(raw), ports))
        ports.end()
        return response

    ask_untold()
    rows = [
        Row(what="a hit in memory, the whole request", ours_us=whole_us, rival_us=None, ratio=whole_us / 1e3,
            bar=BAR_MS, at_most=True, unit="ms"),
        Row(what="the same, its trace not sampled", ours_us=_us(ask_untold, rounds), rival_us=None,
            ratio=_us(ask_untold, rounds) / 1e3, bar=BAR_MS, at_most=True, unit="ms"),
        Row(what="the key", ours_us=key_us, rival_us=floor_us, ratio=key_us / floor_us, bar=4.0, at_most=True),
        Row(what="the whole hit against parsing and hashing its body", ours_us=whole_us, rival_us=floor_us,
            ratio=whole_us / floor_us, bar=60.0, at_most=True),
        Row(what="near matching, where it is on", ours_us=near_us, rival_us=None, ratio=near_us / 1e3,
            bar=10 * BAR_MS, at_most=True, unit="ms"),
    ]  # fmt: skip
    return [row.as_json() for row in rows]


def _gateway(**more: Any) -> Gateway:
    environ = {
        "API_KEYS": f"acme:{hashlib.sha256(_KEY.encode()).hexdigest()}",
        "MODELS": json.dumps({"fast": {"provider": "openai", "model": "gpt-5-mini"}}),
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": "https://upstream.example/v1",
        "METRICS_VIA": "otlp",
        **more,
    }
    return Gateway(Settings.from_environ(environ), clock=_Clock(), entropy=_Entropy())


def _request(raw: bytes) -> Request:
    async def read_body(limit_bytes: int) -> bytes:
        del limit_bytes
        return raw

    headers = {"authorization": f"Bearer {_KEY}", "content-type": "application/json"}
    return Request(method="POST", path="/v1/chat/completions", headers=headers, read_body=read_body)


def _driven[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("something waited that was not to wait")


def _us(run: Callable[[], object], rounds: int) -> float:
    """The median of all rounds but the first; a round lasts some milliseconds."""
    begun = time.perf_counter()
    run()
    runs = max(1, int(0.01 / max(time.perf_counter() - begun, 1e-7)))
    times: list[float] = []
    for _ in range(rounds + 1):
        gc.collect()
        begun = time.perf_counter()
        for _ in range(runs):
            run()
        times.append((time.perf_counter() - begun) / runs)
    return median(times[1:]) * 1e6


class _Clock:
    def now_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        raise RuntimeError("nobody sleeps here")


class _Entropy:
    def __init__(self) -> None:
        self._drawn = 0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.blake2b(self._drawn.to_bytes(8), digest_size=count).digest()


class _Answer:
    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}

    async def read(self, limit_bytes: int) -> bytes:
        del limit_bytes
        return json.dumps(_ANSWER).encode()

    def chunks(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    def cancel(self) -> None:
        """There is no connection."""


class _Ports:
    """A deployment with nothing but memory; what is handed to the background never runs."""

    clock, entropy = _Clock(), _Entropy()
    key_value = blobs = vectors = data_points = rate_limit = address_limit = ai = None
    post: Any = None
    timeout = staticmethod(asyncio.timeout)
    crypto: Any = None
    aead: Any = None

    def __init__(self) -> None:
        self._background: list[Coroutine[Any, Any, Any]] = []

    async def fetch(self, *args: Any, **options: Any) -> _Answer:
        del args, options
        return _Answer()

    def background(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        self._background.append(coroutine)

    def end(self) -> None:
        for coroutine in self._background:
            coroutine.close()
        self._background.clear()

    def console(self, line: str, /) -> None:
        """Nobody reads it."""

    def shard(self, name: str) -> None:
        del name

    def blobs_in(self, jurisdiction: str) -> None:
        del jurisdiction

    def session(self, name: str, jurisdiction: str = "") -> None:
        del name, jurisdiction

    def session_index(self, owner: str, jurisdiction: str = "") -> None:
        del owner, jurisdiction

    def ledger(self, tenant: str, jurisdiction: str = "") -> None:
        del tenant, jurisdiction
