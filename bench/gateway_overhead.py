"""The gateway's own work in CPU time: everything but waiting, for a request and for a chunk of a stream, cache off.

The embedded runtime is measured as it is started; Pyodide in the Worker host of the tests, whose own work in Node
(sockets, streams, the bindings in memory) is part of the figure, as the runtime's would be on Workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.gateway_load import Load, Order
from bench.gateway_servers import Server, Unavailable, lumigate
from bench.gateway_upstream import CHUNKS, MODEL
from local.mocks.issuer import DAY_SECONDS, Issuer, SigningKey
from local.runtime.development import development_settings
from local.toolchain import ToolchainMissing

type Loaded = Callable[[Server, Order], tuple[Load, float | None]]
_CONNECTIONS = 4
_FRESH = {"cache-control": "no-store"}


def costs(runtime: str, server: Server, seconds: float, loaded: Loaded) -> dict[str, Any]:
    """A request's CPU time, and a chunk's: that of a stream of `CHUNKS` beyond a request's, by its chunks."""

    def cpu_ms(*, stream: bool) -> float:
        order = Order(
            url=f"{server.url}/v1/chat/completions",
            headers={**server.headers, **_FRESH},
            body={"model": MODEL, "stream": stream},
            connections=_CONNECTIONS,
            seconds=seconds,
        )
        loaded(server, order)  # warms it up
        _, found = loaded(server, order)
        if found is None:
            raise Unavailable("CPU time is read from /proc, which is not here")
        return found

    whole, stream = cpu_ms(stream=False), cpu_ms(stream=True)
    return {
        "runtime": runtime,
        "request_ms": round(whole, 3),
        "stream_ms": round(stream, 3),
        "chunk_us": round(max(0.0, stream - whole) * 1e3 / CHUNKS, 2),
    }


@contextlib.contextmanager
def _pyodide(mock: Server) -> Iterator[Server]:
    from tests.pyodide.production import declared_bindings, production_host

    with _issuer() as issuer:
        settings = development_settings(jwks_url=issuer.jwks_url, openai_base_url=f"{mock.url}/v1")
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = mock.url
        try:
            host = production_host(settings, bindings={**declared_bindings(), "ratelimits": []})
        except ToolchainMissing as error:
            raise Unavailable(str(error)) from None
        with host:
            token = issuer.valid(ttl_seconds=DAY_SECONDS)
            yield Server(
                name="Pyodide", url=host.url, pid=host.pid, headers={"authorization": f"Bearer {token}"}
            )


@contextlib.contextmanager
def _issuer() -> Iterator[Issuer]:
    """An issuer of tokens on a loop of its own."""
    issuer = Issuer(SigningKey.generate())
    started, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with issuer:
            started.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    if not started.wait(10):
        raise Unavailable("the issuer of tokens did not start")
    try:
        yield issuer
    finally:
        over.set()
        thread.join(timeout=10)


RUNTIMES: Mapping[str, Callable[[Server], contextlib.AbstractContextManager[Server]]] = {
    "native": lumigate,
    "pyodide": _pyodide,
}
"""How each is started."""
