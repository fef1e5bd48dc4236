"""What a tenant's ledger costs: a reservation and its settlement, a refusal, its return from eviction.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide. Storage is left out, a list in its place: what is
measured is the ledger's own work, texts in and texts out, and the gateway's share of it.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from bench.contest import Row
from lumigate.ledger import LedgerService, TenantLimits
from lumigate.ledger.book import MAX_RESERVATIONS, Ask
from lumigate.ledger.estimate import estimate
from lumigate.ledger.headers import limit_headers
from lumigate.ledger.wire import read_decision, read_settled, reserve_text, settle_text
from lumigate.llm.chat import ChatRequest
from lumigate.llm.pricing import Prices, Rates

LIMITS = TenantLimits(
    requests_per_minute=1_000_000,
    tokens_per_minute=1_000_000_000,
    usd_per_day=100_000,
    usd_per_month=1_000_000,
)
SPENT = TenantLimits(requests_per_minute=0)
ASK = Ask(tokens=2000, nano_usd=1_000_000)
REQUESTS = 500
LEASE_MS = 600_000


def measure(rounds: int = 15) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    return [row.as_json() for row in _rows(rounds)]


def _rows(rounds: int) -> list[Row]:
    service = _service()
    numbers = iter(range(10_000_000))
    pair_us = _median_us(lambda: _pairs(service, [next(numbers) for _ in range(REQUESTS)]), rounds)
    reserve_us = _median_us(lambda: _reservations(_service()), rounds)
    refused = reserve_text("refused", ASK, SPENT, LEASE_MS)
    refuse_us = _median_us(lambda: [service.reserve(refused) for _ in range(REQUESTS)], rounds)
    answer = service.reserve(reserve_text("asked", ASK, LIMITS, LEASE_MS))
    gateway_us = _median_us(lambda: [_gateway_share(answer) for _ in range(REQUESTS)], rounds)
    storage = _Memory()
    full = LedgerService(storage, _Clock())
    for n in range(MAX_RESERVATIONS):
        full.reserve(reserve_text(f"req_{n:024x}", ASK, LIMITS, LEASE_MS))
    open_ms = _median_us(lambda: [_reopened(storage)], 5) / 1e3
    return [
        _row("reserve and settle, in the ledger", pair_us / 1e3, 2, "ms"),
        _row("of it: reserve", reserve_us / 1e3, 1, "ms"),
        _row("a refusal, in the ledger", refuse_us / 1e3, 1, "ms"),
        _row("estimate, texts and headers, in the gateway", gateway_us / 1e3, 1, "ms"),
        _row(
            "requests of one tenant a second, by its ledger's CPU", 1e6 / pair_us, 500, "1/s", at_most=False
        ),
        _row(f"return from eviction with {MAX_RESERVATIONS:,} reservations", open_ms, 500, "ms"),
    ]


def _row(what: str, value: float, bar: float, unit: str, *, at_most: bool = True) -> Row:
    print(f"… {what}", file=sys.stderr)
    return Row(what=what, ours_us=None, rival_us=None, ratio=value, bar=bar, at_most=at_most, unit=unit)


def _median_us(run: Callable[[], Sequence[object]], rounds: int) -> float:
    """Of one of the things that `run` does, the median of rounds but the first."""
    times: list[float] = []
    for _ in range(rounds + 1):
        gc.collect()
        begun = time.perf_counter()
        done = run()
        times.append((time.perf_counter() - begun) / len(done))
    return median(times[1:]) * 1e6


class _Clock:
    """Moves a millisecond a look, as a busy ledger's does, and no faster."""

    def __init__(self) -> None:
        self._ns = 1_800_000_000_000_000_000

    def now_ns(self) -> int:
        self._ns += 1_000_000
        return self._ns

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError("a ledger does not sleep")


class _Memory:
    """Enough of SQLite for a ledger: entries, and the newest snapshot."""

    def __init__(self) -> None:
        self.entries: dict[int, str] = {}
        self.snapshot: list[tuple[int, str]] = []

    def __call__(self, sql: str, /, *parameters: Any) -> Iterable[Sequence[Any]]:
        match sql.split(maxsplit=1)[0], parameters:
            case "INSERT", (int(number), str(body)) if "ledger_entries" in sql:
                self.entries[number] = body
            case "INSERT", (int(position), str(body)):
                self.snapshot = [(position, body)]
            case "DELETE", (int(position),):
                self.entries = {n: body for n, body in self.entries.items() if n > position}
            case "SELECT", ():
                return self.snapshot
            case "SELECT", (int(position),):
                return [(n, body) for n, body in self.entries.items() if n > position]
        return []


def _service() -> LedgerService:
    return LedgerService(_Memory(), _Clock())


def _pairs(service: LedgerService, numbers: Sequence[int]) -> Sequence[int]:
    for number in numbers:
        identity = f"req_{number:024x}"
        service.reserve(reserve_text(identity, ASK, LIMITS, LEASE_MS))
        read_settled(service.settle(settle_text(identity, 1500, 450_000)))
    return numbers


def _reservations(service: LedgerService) -> range:
    numbers = range(REQUESTS)
    for number in numbers:
        service.reserve(reserve_text(f"req_{number:024x}", ASK, LIMITS, LEASE_MS))
    return numbers


_MESSAGES = [{"role": "user", "content": "What does it cost to ask? " * 80}]
_CHAT = ChatRequest.parse({"model": "m", "messages": _MESSAGES, "max_tokens": 500})
_PRICES = Prices(usual=Rates.of((0.15, None, None, 0.6, None)))


def _gateway_share(answer: str) -> dict[str, str]:
    """Everything around the two calls: what to ask for, the texts, the answer's headers."""
    ask = estimate(_CHAT, [_PRICES], LIMITS)
    reserve_text("req_000000000000000000000000", ask, LIMITS, LEASE_MS)
    headers = limit_headers(read_decision(answer).quotas)
    settle_text("req_000000000000000000000000", 1500, 450_000)
    return headers


def _reopened(storage: _Memory) -> str:
    return LedgerService(storage, _Clock()).usage('{"limits": {}}')
