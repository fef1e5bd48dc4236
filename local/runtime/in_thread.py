"""An embedded runtime beside code that is not asynchronous: tests, benchmarks, a notebook."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from local.runtime.embedded import EmbeddedRuntime
from local.runtime.event_loop import loop_factory


class RuntimeInThread:
    """A runtime on a loop of its own. Its plain attributes may be read from here; use `call` for the rest."""

    def __init__(self, runtime: EmbeddedRuntime, loop: asyncio.AbstractEventLoop) -> None:
        self.runtime = runtime
        self.url = runtime.url
        self._loop = loop

    def call[Result](self, coroutine: Coroutine[Any, Any, Result], timeout_seconds: float = 30.0) -> Result:
        """Run a coroutine on the runtime's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_seconds)


@contextlib.contextmanager
def run_in_thread(runtime: EmbeddedRuntime) -> Iterator[RuntimeInThread]:
    """Start `runtime` in a thread with an event loop, and stop it at the end."""
    started: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = (
        concurrent.futures.Future()
    )

    async def serve() -> None:
        stop = asyncio.Event()
        try:
            async with runtime:
                started.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
                return
            raise

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="lumigate-runtime", daemon=True)
    thread.start()
    loop, stop = started.result(timeout=30)
    try:
        yield RuntimeInThread(runtime, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=30)
        if thread.is_alive():
            raise RuntimeError("the embedded runtime did not stop within 30 s")
