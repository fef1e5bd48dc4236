from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime.ports import LocalPorts, open_ports
from local.runtime.sqlite import Database


@pytest.fixture(autouse=True)
def nobodys_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own is not for the gateways of these tests."""
    monkeypatch.delenv("LUMIGATE_TOKEN", raising=False)


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
