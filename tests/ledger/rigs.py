"""A ledger over SQLite that can be evicted or lose power, and the texts that reach it as plain calls."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, ClassVar

from lumigate.ledger import LedgerService, TenantLimits
from lumigate.ledger.book import Ask
from lumigate.ledger.wire import Decision, read_decision, read_settled, reserve_text, settle_text, usage_text
from tests.fakes import FakeClock

USD = 1_000_000_000
LEASE_MS = 600_000


class PowerCut(Exception):
    """The machine is gone in the middle of it."""


class LedgerUnderTest:
    """A ledger in a database that outlives it. Calls say what they mean; texts are made here."""

    made: ClassVar[list[LedgerUnderTest]] = []
    """Those of the test that is running, to be closed after it."""

    def __init__(
        self, clock: FakeClock | None = None, path: str = ":memory:", *, compact_entries: int = 1000
    ) -> None:
        self.clock = clock or FakeClock()
        self.database = sqlite3.connect(path, isolation_level=None)
        self.made.append(self)
        self.statements = 0
        self.power_fails_in: int | None = None
        """After so many statements; None never. The last one may still take effect."""
        self.last_takes_effect = False
        self.compact_entries = compact_entries
        self.service = self.opened()

    def opened(self) -> LedgerService:
        return LedgerService(self.execute, self.clock, compact_entries=self.compact_entries)

    def execute(self, sql: str, /, *parameters: int | str) -> list[Any]:
        self.statements += 1
        fails = self.power_fails_in == 0
        if self.power_fails_in is not None:
            self.power_fails_in = max(0, self.power_fails_in - 1)
        if fails and not self.last_takes_effect:
            raise PowerCut
        found = self.database.execute(sql, parameters).fetchall()
        if fails:
            raise PowerCut
        return found

    def evict(self) -> None:
        """Lose the object and all its memory; the next one finds the database."""
        self.power_fails_in = None
        self.service = self.opened()

    def reserve(
        self,
        identity: str,
        limits: TenantLimits,
        *,
        tokens: int = 0,
        usd: float = 0.0,
        calls_model: bool = True,
        lease_ms: int = LEASE_MS,
    ) -> Decision:
        ask = Ask(tokens=tokens, nano_usd=round(usd * USD), calls_model=calls_model)
        return read_decision(self.service.reserve(reserve_text(identity, ask, limits, lease_ms)))

    def settle(self, identity: str, *, tokens: int = 0, usd: float = 0.0) -> str:
        result, _ = read_settled(self.service.settle(settle_text(identity, tokens, round(usd * USD))))
        return str(result)

    def usage(self, limits: TenantLimits) -> dict[str, tuple[int, int]]:
        """Used and reserved, by the limit's kind."""
        decision = read_decision(self.service.usage(usage_text(limits)))
        return {str(quota.kind): (quota.used, quota.reserved) for quota in decision.quotas}

    def close(self) -> None:
        self.database.close()


class LedgerPort:
    """The `Ledger` port over a ledger under test; `faults` are raised first, a `silent` one says nothing in time."""

    def __init__(self, ledger: LedgerUnderTest) -> None:
        self.ledger = ledger
        self.faults: list[Exception] = []
        self.silent = False
        self.loses_answers = False
        self.calls: list[str] = []

    async def reserve(self, text: str, *, timeout_seconds: float) -> str:
        return await self._call("reserve", text, timeout_seconds)

    async def settle(self, text: str, *, timeout_seconds: float) -> str:
        return await self._call("settle", text, timeout_seconds)

    async def usage(self, text: str, *, timeout_seconds: float) -> str:
        return await self._call("usage", text, timeout_seconds)

    async def _call(self, method: str, text: str, timeout_seconds: float) -> str:
        self.calls.append(method)
        await asyncio.sleep(0)
        if self.silent:
            self.ledger.clock.advance(timeout_seconds)
            raise TimeoutError
        if self.faults and not self.loses_answers:
            raise self.faults.pop(0)
        answer: str = getattr(self.ledger.service, method)(text)
        if self.faults:
            raise self.faults.pop(0)
        return answer
