from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from local.runtime.event_loop import loop_factory

# What is close to sockets is tested on both event loops: uvloop is used where it is installed, and differs.
_ON_BOTH_LOOPS = ("test_fetch", "test_server", "test_http_client")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem in _ON_BOTH_LOOPS and loop_factory() is not asyncio.new_event_loop:
        factories["fastest"] = loop_factory()
    return factories
