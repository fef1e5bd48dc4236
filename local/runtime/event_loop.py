"""Runs a coroutine on uvloop where there is one, on asyncio's own loop elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the fastest event loop this platform has."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def run_event_loop[Result](main: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run` on that loop."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)
