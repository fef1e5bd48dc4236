"""A real HTTP server that answers exports as it is told to: well, badly, slowly, or not at all."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumigate.telemetry.host import PostError, PostResult

type Behaviour = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]
_MAX_ANSWER = 64 * 1024


@dataclass
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes

    def spans(self) -> list[str]:
        """Names of the spans, read with the official messages."""
        body = self.body
        if self.headers.get("content-encoding") == "gzip":
            body = zlib.decompress(body, 31)
        if self.headers["content-type"] == "application/json":
            request = Parse(_hex_to_base64(body), ExportTraceServiceRequest())
        else:
            request = ExportTraceServiceRequest.FromString(body)
        return [s.name for r in request.resource_spans for c in r.scope_spans for s in c.spans]


@dataclass
class Collector:
    """`script` is used up in order; after that every answer is a 200."""

    url: str = ""
    script: list[Behaviour] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    on_received: list[Callable[[], None]] = field(default_factory=list)
    """Called when a request has arrived whole."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.received.append(Received(head[0].split()[1], headers, body))
            for tell in self.on_received:
                tell()
            behave = self.script.pop(0) if self.script else status(200)
            await behave(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    collector = Collector()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await collector.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    collector.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield collector
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def status(code: int, body: bytes = b"", **headers: str) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {code} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return behave


def endless_body() -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    return behave


def slow_headers() -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await asyncio.sleep(60)

    return behave


def reset() -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return behave


def nonsense() -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        await writer.drain()

    return behave


class HttpxPost:
    """The engine's `Post` over httpx: no redirects, at most 64 KiB of the answer, one limit for the whole exchange.

    Where a collector is given, the limit runs from the moment it has the request: on a busy machine it would else pass
    while the request is still being sent.
    """

    def __init__(self, client: httpx.AsyncClient, collector: Collector | None = None) -> None:
        self._client = client
        self._limits: dict[asyncio.Timeout, float] = {}
        self._collector = collector
        self.read = 0
        if collector is not None:
            collector.on_received.append(self._begin)

    def _begin(self) -> None:
        now = asyncio.get_running_loop().time()
        for limit, seconds in self._limits.items():
            limit.reschedule(now + seconds)
        self._limits.clear()

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> PostResult:
        limit = asyncio.timeout(timeout_seconds if self._collector is None else 60)
        try:
            async with limit:
                if self._collector is not None:
                    self._limits[limit] = timeout_seconds
                async with self._client.stream("POST", url, headers=dict(headers), content=body) as response:
                    answer = bytearray()
                    async for chunk in response.aiter_bytes(8192):
                        answer += chunk
                        if len(answer) >= _MAX_ANSWER:
                            break
                self.read += len(answer)
                return PostResult(
                    status=response.status_code,
                    headers={k.lower(): v for k, v in response.headers.items()},
                    body=bytes(answer[:_MAX_ANSWER]),
                )
        except TimeoutError:
            raise PostError("timeout") from None
        except httpx.HTTPError as error:
            raise PostError("connection", type(error).__name__) from None
        finally:
            self._limits.pop(limit, None)


def _hex_to_base64(body: bytes) -> str:
    """OTLP's JSON has ids in hex where protobuf's JSON mapping has base64; the official parser wants the latter."""
    import base64
    import json

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: base64.b64encode(bytes.fromhex(v)).decode()
                if k in {"traceId", "spanId", "parentSpanId"}
                else convert(v)
                for k, v in value.items()
            }
        return [convert(item) for item in value] if isinstance(value, list) else value

    return json.dumps(convert(json.loads(body)))
