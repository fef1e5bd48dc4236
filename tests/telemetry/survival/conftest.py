from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.telemetry.collector import Collector, running_collector


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running_collector() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as made:
        yield made
