"""SQLite under the stand-ins for KV, R2, Analytics Engine and the counter shard.

Rules: write-ahead log; each statement commits by itself; what is small runs on the loop's thread, because a
statement takes tens of microseconds and a hop to a thread takes more; values over `LARGE_BYTES` go to one
worker thread with a connection of its own, because they take milliseconds. Data survive the death of the
process; the last moments may be lost if the machine itself loses power (`synchronous=NORMAL`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

LARGE_BYTES = 128 * 1024

_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA busy_timeout = 5000;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384;
PRAGMA wal_autocheckpoint = 2000;
"""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS key_value (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_ns INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS key_value_by_expiry ON key_value (expires_ns);
CREATE TABLE IF NOT EXISTS blobs (key TEXT PRIMARY KEY, value BLOB NOT NULL, stored_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS shard_batches (
    id INTEGER PRIMARY KEY, stored_ns INTEGER NOT NULL, batch TEXT NOT NULL
);
"""

type Row = tuple[Any, ...]


class Database:
    """One file. Use it from one event loop; `close` it at the end."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._connection = self._connect()
        self._connection.executescript(_SCHEMA)
        self._worker: ThreadPoolExecutor | None = None
        self._worker_connection: sqlite3.Connection | None = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a short statement here and now; returns its rows."""
        return self._connection.execute(statement, parameters).fetchall()

    async def execute_large(self, statement: str, parameters: Sequence[Any]) -> None:
        """Run a statement that carries a large value on the worker thread."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="lumigate-sqlite")
            self._worker_connection = self._connect()
        connection = self._worker_connection
        assert connection is not None
        await asyncio.get_running_loop().run_in_executor(
            self._worker, connection.execute, statement, parameters
        )

    def close(self) -> None:
        """Wait for the worker and fold the log into the file."""
        if self._worker is not None:
            self._worker.shutdown()
        if self._worker_connection is not None:
            self._worker_connection.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> sqlite3.Connection:
        # `check_same_thread`: the worker's connection is made and closed here and used there, never at once.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.executescript(_PRAGMAS)
        return connection
