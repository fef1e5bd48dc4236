"""The ledgers of one process: the same `LedgerService` as in a Durable Object, each over a SQLite file.

A file is named by a hash, because tenants are named by tokens. What a ledger has acknowledged survives the death of
the process; the last moments may be lost if the machine itself loses power (`synchronous=NORMAL`). Few are kept open:
a ledger that was closed reads its file again, as a Durable Object does that was evicted.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lumigate.ledger.service import LedgerService
from lumigate.telemetry.host import Clock

MAX_OPEN = 128


class LocalLedger:
    """The `Ledger` port over one service; a stub in production, the thing itself here, which answers at once."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA busy_timeout = 1000")
        self.service = LedgerService(self._execute, clock)

    async def reserve(self, text: str, *, timeout_seconds: float) -> str:
        return self.service.reserve(text)

    async def settle(self, text: str, *, timeout_seconds: float) -> str:
        return self.service.settle(text)

    async def usage(self, text: str, *, timeout_seconds: float) -> str:
        return self.service.usage(text)

    def close(self) -> None:
        self._connection.close()

    def _execute(self, sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]:
        return self._connection.execute(sql, parameters).fetchall()


class LocalLedgers:
    """All ledgers, opened when first asked for; the one that was not asked for the longest is closed for another."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._open: dict[str, LocalLedger] = {}

    def get(self, tenant: str) -> LocalLedger:
        ledger = self._open.pop(tenant, None)
        if ledger is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            ledger = LocalLedger(self._folder / f"{name}.sqlite3", self._clock)
            if len(self._open) >= MAX_OPEN:
                self._open.pop(next(iter(self._open))).close()
        self._open[tenant] = ledger
        return ledger

    def close(self) -> None:
        for ledger in self._open.values():
            ledger.close()
        self._open.clear()
