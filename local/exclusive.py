"""One process at a time: a lock that every platform has and that dies with its owner."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path, *, wait_s: float = 900) -> Iterator[None]:
    """Hold the lock `path` (a file that this makes) inside the block; wait for whoever holds it.

    The lock is a SQLite transaction: the operating system holds it, so a killed owner leaves none behind.
    Raises sqlite3.OperationalError when the wait was in vain.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=wait_s, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
