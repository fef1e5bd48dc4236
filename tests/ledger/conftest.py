from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger.rigs import LedgerUnderTest


@pytest.fixture(autouse=True)
def _databases() -> Iterator[None]:
    yield
    for ledger in LedgerUnderTest.made:
        ledger.close()
    LedgerUnderTest.made.clear()
