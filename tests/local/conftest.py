from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime.ports import LocalPorts, open_ports
from local.runtime.sqlite import Database

CREDENTIALS = (
    "CLOUDFLARE_ACCOUNT_ID",
    "CLOUDFLARE_API_TOKEN",
    "GRAFANA_TOKEN",
    "LUMIGATE_TOKEN",
    "PROMETHEUS_TOKEN",
)


@pytest.fixture(autouse=True)
def nobodys_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own are not for the gateways and services of these tests."""
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIUpstream]:
    async with OpenAIUpstream() as server:
        yield server


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[LocalPorts]:
    opened = open_ports(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as opened:
        yield opened


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "test.sqlite3") as opened:
        yield opened
