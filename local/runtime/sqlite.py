"""SQLite under the stand-ins for KV, R2 and Analytics Engine.

Rules: write-ahead log; a statement commits by itself, those written `soon` together; what is small runs on the
loop's thread, because a statement takes 3-20 us and a hop to a thread more; values over `LARGE_BYTES`, and folding
the log back into the file, take milliseconds and go to one worker thread with a connection of its own. What is
committed survives the death of the process; the last moments may be lost if the machine itself loses power
(`synchronous=NORMAL`).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

logger = logging.getLogger(__name__)

LARGE_BYTES = 64 * 1024
LOG_BYTES = 8 * 1024 * 1024
"""Roughly how long the log may grow before it is folded back."""

COMMIT_SECONDS = 0.005
"""How long a statement written `soon` waits for others to share its commit."""

_PAGE_BYTES = 4096

_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA busy_timeout = 5000;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -4096;
PRAGMA wal_autocheckpoint = 0;
"""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS key_value (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_ns INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS key_value_by_expiry ON key_value (expires_ns);
CREATE TABLE IF NOT EXISTS blobs (key TEXT PRIMARY KEY, value BLOB NOT NULL, stored_ns INTEGER NOT NULL);
"""

type Row = tuple[Any, ...]


class Database:
    """One file. Use it from one event loop; `close` it at the end."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = _connect(path)
        self._connection.executescript(_SCHEMA)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="lumigate-sqlite")
        self._worker_connection = _connect(path)
        self._unfolded_bytes = 0
        self._folding: Future[None] | None = None
        self._committing: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def read(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, here and now."""
        return self._connection.execute(statement, parameters).fetchall()

    def write(self, statement: str, parameters: Sequence[Any] = (), *, size: int = 0) -> None:
        """Run a short statement here and now. `size` is that of the value in it, in bytes."""
        self._connection.execute(statement, parameters)
        self.commit()
        self._grown(size)

    def write_soon(self, statement: str, parameters: Sequence[Any], *, size: int = 0) -> None:
        """Run a short statement now and commit it with others, a little later: most of its price is the commit.

        Whoever reads through this object sees it at once; a process that dies before the commit loses it.
        """
        if not self._connection.in_transaction:
            # At once the writer: one that has only read before may find that another has written since, and fail.
            self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(statement, parameters)
        self._grown(size)
        if self._committing is None:
            try:
                self._committing = asyncio.get_running_loop().call_later(COMMIT_SECONDS, self.commit)
            except RuntimeError:  # no event loop, so there is no later
                self.commit()

    async def committed(self) -> None:
        """Wait until all that was written has been committed."""
        if self._connection.in_transaction:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def commit(self) -> None:
        """Make what was written `soon` last."""
        if self._committing is not None:
            self._committing.cancel()
            self._committing = None
        waiters, self._waiters = self._waiters, []
        try:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(error)
            self._connection.rollback()
            raise
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def write_large(self, statement: str, parameters: Sequence[Any], *, size: int) -> None:
        """Run a statement that carries a large value, on the worker thread."""
        self.commit()  # there is one writer at a time
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, self._worker_connection.execute, statement, parameters)
        self._grown(size)

    async def write_sized(self, statement: str, parameters: Sequence[Any], *, size: int) -> None:
        """Run a statement in the way that suits the size of its value; return when it is committed."""
        if size > LARGE_BYTES:
            await self.write_large(statement, parameters, size=size)
        else:
            self.write_soon(statement, parameters, size=size)
            await self.committed()

    def close(self) -> None:
        """Let the worker end and fold the whole log into the file."""
        self.commit()
        self._worker.shutdown()
        self._worker_connection.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _grown(self, size: int) -> None:
        self._unfolded_bytes += size + 2 * _PAGE_BYTES
        if self._unfolded_bytes > LOG_BYTES and (self._folding is None or self._folding.done()):
            self._unfolded_bytes = 0
            self._folding = self._worker.submit(self._fold)

    def _fold(self) -> None:
        """Move the log's pages into the file without making anyone wait."""
        try:
            self._worker_connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:
            logger.exception("folding the log back failed")


def _connect(path: Path) -> sqlite3.Connection:
    # `check_same_thread`: the worker's connection is made and closed by one thread and used by another, in turn.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.executescript(_PRAGMAS)
    return connection
