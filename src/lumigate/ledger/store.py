"""Where entries and snapshots lie: two tables of SQLite, the same in a Durable Object and in one process.

An adapter gives one function, `execute(sql, *parameters)`, that runs a statement at once and returns its rows.
Statements are safe one by one: whatever instant the process dies at, what lies there can be restored.
"""

from __future__ import annotations

from typing import Protocol

from lumigate.sql import Execute

_TABLES = (
    "CREATE TABLE IF NOT EXISTS ledger_entries (number INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ledger_snapshot"
    " (id INTEGER PRIMARY KEY, position INTEGER NOT NULL, body TEXT NOT NULL)",
)


class LedgerStore(Protocol):
    """What a ledger asks of its storage. A method that returns has stored; one that raises may or may not have."""

    def load(self) -> tuple[int, str | None, list[tuple[int, str]]]:
        """The position and text of the snapshot (0 and None without one), and the entries after it in order."""
        ...

    def append(self, number: int, body: str) -> None:
        """Store an entry. Raises if there is one of that number: another writer was here."""
        ...

    def replace_snapshot(self, position: int, body: str) -> None:
        """Store a snapshot in place of the old one; then let go of the entries up to it. In this order."""
        ...


class SqlStore:
    """A ledger's storage in SQLite."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        for sql in _TABLES:
            execute(sql)

    def load(self) -> tuple[int, str | None, list[tuple[int, str]]]:
        found = list(self._execute("SELECT position, body FROM ledger_snapshot WHERE id = 1"))
        position, body = (int(found[0][0]), str(found[0][1])) if found else (0, None)
        rows = self._execute(
            "SELECT number, body FROM ledger_entries WHERE number > ? ORDER BY number", position
        )
        return position, body, [(int(number), str(text)) for number, text in rows]

    def append(self, number: int, body: str) -> None:
        self._execute("INSERT INTO ledger_entries (number, body) VALUES (?, ?)", number, body)

    def replace_snapshot(self, position: int, body: str) -> None:
        self._execute(
            "INSERT OR REPLACE INTO ledger_snapshot (id, position, body) VALUES (1, ?, ?)", position, body
        )
        self._execute("DELETE FROM ledger_entries WHERE number <= ?", position)
