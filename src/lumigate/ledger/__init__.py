"""Budgets and exact limits: what a tenant may spend a day and a month, and ask for a minute.

One ledger a tenant, the single writer of its numbers: a Durable Object, or a SQLite file in the embedded runtime. A
request reserves before its model call and settles after it. `Book` and what it is made of are pure logic;
`Admission` and `settle` are the gateway's side of it, over the ports.
"""

from lumigate.ledger.book import Book, Kind, Refusal
from lumigate.ledger.limits import LimitTable, TenantLimits
from lumigate.ledger.service import LedgerService
from lumigate.ledger.store import LedgerStore, SqlStore

__all__ = [
    "Book",
    "Kind",
    "LedgerService",
    "LedgerStore",
    "LimitTable",
    "Refusal",
    "SqlStore",
    "TenantLimits",
]
