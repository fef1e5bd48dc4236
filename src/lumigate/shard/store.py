"""Where rows and snapshots lie: two tables of SQLite, the same in a Durable Object and in one process.

An adapter gives one function, `execute(sql, *parameters)`, that runs a statement at once and returns its rows.
Statements are safe one by one: whatever instant the process dies at, what lies there can be restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lumigate.sql import Execute

# a row costs one write when it comes and one when it goes: no index beside the key
_TABLES = (
    "CREATE TABLE IF NOT EXISTS shard_rows (number INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS shard_chunks"
    " (id INTEGER PRIMARY KEY, position INTEGER NOT NULL, body TEXT NOT NULL)",
)


class ShardStore(Protocol):
    """What a shard asks of its storage. A method that returns has stored; one that raises has not."""

    def load(self) -> tuple[list[str], list[tuple[int, str]]]:
        """All chunks, and all rows in order."""
        ...

    def append(self, number: int, body: str) -> None:
        """Store a row. Raises if there is one of that number."""
        ...

    def replace_snapshot(self, position: int, chunks: Sequence[str]) -> None:
        """Store a snapshot; then let go of the rows up to it and of those before it. In this order."""
        ...


class SqlStore:
    """A shard's storage in SQLite."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        for sql in _TABLES:
            execute(sql)

    def load(self) -> tuple[list[str], list[tuple[int, str]]]:
        chunks = [str(body) for (body,) in self._execute("SELECT body FROM shard_chunks ORDER BY id")]
        rows = self._execute("SELECT number, body FROM shard_rows ORDER BY number")
        return chunks, [(int(number), str(body)) for number, body in rows]

    def append(self, number: int, body: str) -> None:
        self._execute("INSERT INTO shard_rows (number, body) VALUES (?, ?)", number, body)

    def replace_snapshot(self, position: int, chunks: Sequence[str]) -> None:
        # what a crash left of the same snapshot
        self._execute("DELETE FROM shard_chunks WHERE position = ?", position)
        for chunk in chunks:
            self._execute("INSERT INTO shard_chunks (position, body) VALUES (?, ?)", position, chunk)
        self._execute("DELETE FROM shard_rows WHERE number <= ?", position)
        self._execute("DELETE FROM shard_chunks WHERE position < ?", position)
