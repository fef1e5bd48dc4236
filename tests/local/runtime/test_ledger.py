from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.runtime import ledger as module
from local.runtime.ledger import LocalLedgers
from lumigate.ledger import TenantLimits
from lumigate.ledger.book import Ask
from lumigate.ledger.wire import read_decision, reserve_text
from tests.fakes import FakeClock

FEW = TenantLimits(requests_per_minute=1)


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[LocalLedgers]:
    opened = LocalLedgers(tmp_path / "ledgers", FakeClock())
    yield opened
    opened.close()


async def allowed(ledgers: LocalLedgers, tenant: str, identity: str) -> bool:
    text = reserve_text(identity, Ask(tokens=1), FEW, 1000)
    return read_decision(await ledgers.get(tenant).reserve(text, timeout_seconds=1)).allowed


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.sqlite3"))


@pytest.mark.parametrize("tenant", ["acme", "../../etc", "a/b", "日本", "\ud800", "x" * 96, "NUL\0"])
async def test_any_name_of_a_tenant_is_a_file_of_its_own_in_the_folder(
    ledgers: LocalLedgers, tmp_path: Path, tenant: str
) -> None:
    assert await allowed(ledgers, tenant, "a")
    assert not await allowed(ledgers, tenant, "b")
    assert await allowed(ledgers, tenant + "2", "a")
    assert [path.parent for path in files(tmp_path)] == [tmp_path / "ledgers"] * 2


async def test_few_are_open_and_one_that_was_closed_has_forgotten_nothing(
    ledgers: LocalLedgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    for tenant in "abcd":
        assert await allowed(ledgers, tenant, "first")
    assert len(ledgers._open) == 2
    for tenant in "abcd":
        assert not await allowed(ledgers, tenant, "second")
