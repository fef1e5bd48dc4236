# ruff: noqa: T201 (what a Worker prints is what the test reads)
"""One route a rule of streams, and of what becomes of them when the client hangs up."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import asyncio
from typing import Any

import js
from pyodide.ffi import create_proxy, to_js
from router import Routed, encoded, js_object  # type: ignore[import-not-found]
from workers import Response

SHARED: dict[str, Any] = {}


async def released(key: str) -> None:
    """Return once `/release` was called with that key. Plain data may be shared, and a timer is each request's own."""
    while key not in SHARED:  # noqa: ASYNC110 - an event would be another request's I/O
        await asyncio.sleep(0.01)


class StreamRoutes(Routed):
    async def _ticks(self, request: Any, query: Any) -> Any:
        """Stream through a pump that waitUntil keeps; tell the console how it ended."""
        ends = js.IdentityTransformStream.new()
        writer = ends.writable.getWriter()

        async def pump() -> None:
            outcome = "lost"
            try:
                for i in range(int(query.get("n"))):
                    await writer.write(encoded(f"tick {i}\n"))
                    if query.has("until"):
                        await released(f"{query.get('until')} {i}")
                await writer.close()
                outcome = "complete"
            except BaseException as error:
                outcome = f"raised {type(error).__name__}"
                raise
            finally:
                print("pump", outcome)

        self.ctx.waitUntil(pump())
        return Response(ends.readable, headers={"content-type": "text/event-stream"})

    async def _flood(self, request: Any, query: Any) -> Any:
        """Write as fast as the client reads; say twice how far that is."""
        ends = js.IdentityTransformStream.new()
        written = {"chunks": 0}

        async def pump() -> None:
            writer = ends.writable.getWriter()
            chunk = to_js(b"x" * 65_536)
            for _ in range(int(query.get("n"))):
                await writer.write(chunk)
                written["chunks"] += 1
            await writer.close()

        async def watch() -> None:
            for when in ("first", "last"):
                await asyncio.sleep(0.6)
                print("flood at", when, written["chunks"])

        self.ctx.waitUntil(pump())
        self.ctx.waitUntil(watch())
        return Response(ends.readable)

    async def _relay(self, request: Any, query: Any) -> Any:
        """Copy an upstream body through a pump; on a hang-up, report and cancel the upstream if asked to."""
        controller = js.AbortController.new()
        upstream = await js.fetch(query.get("url"), js_object({"signal": controller.signal}))
        reader = upstream.body.getReader()
        ends = js.IdentityTransformStream.new()
        writer = ends.writable.getWriter()
        progress = {"chunks": 0}

        async def pump() -> None:
            outcome = "lost"
            try:
                while not (part := await reader.read()).done:
                    await writer.write(part.value)
                    progress["chunks"] += 1
                await writer.close()
                outcome = "complete"
            except BaseException as error:
                outcome = f"raised {type(error).__name__}"
                raise
            finally:
                print("relay", outcome)

        async def report() -> None:
            controller.abort()
            await self.env.KV.put("hang-up", str(progress["chunks"]))
            print("hang-up reported")

        def gone(_event: Any) -> None:
            self.ctx.waitUntil(report())

        async def watch() -> None:
            await asyncio.sleep(0.8)
            print("watched", progress["chunks"])

        if query.has("listen"):
            request.js_object.signal.addEventListener("abort", create_proxy(gone))
        if query.has("watch"):
            self.ctx.waitUntil(watch())
        self.ctx.waitUntil(pump())
        return Response(ends.readable)

    async def _pulled(self, request: Any, query: Any) -> Any:
        state = {"n": 0}

        async def pull(controller: Any) -> None:
            if state["n"] == int(query.get("n")):
                controller.close()
                print("pull closed")
                return
            state["n"] += 1
            controller.enqueue(encoded(f"pull {state['n']}\n"))
            await asyncio.sleep(0.01)

        def cancel(_reason: Any) -> None:
            print("cancel called")

        source = js_object({})
        source.pull = create_proxy(pull)
        source.cancel = create_proxy(cancel)
        return Response(js.ReadableStream.new(source))

    async def _fixed(self, request: Any, query: Any) -> Any:
        ends = js.FixedLengthStream.new(5)

        async def pump() -> None:
            writer = ends.writable.getWriter()
            await writer.write(encoded("12345"))
            await writer.close()

        self.ctx.waitUntil(pump())
        return Response(ends.readable)
