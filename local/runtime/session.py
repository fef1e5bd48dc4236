"""The sessions of one process: the same services as in Durable Objects, over one SQLite file.

The alarm is a task that looks at all sessions now and then. A commit is one transaction of SQLite's write-ahead log: a
process that is killed in the middle leaves the last committed turn.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lumigate.sessions.index import SubjectIndex
from lumigate.sessions.service import SessionService
from lumigate.sessions.settings import SessionSettings
from lumigate.sessions.store import TABLES
from lumigate.telemetry.host import Clock

logger = logging.getLogger(__name__)

LONGEST_ALARM_SECONDS = 60.0


class SqliteSessions:
    """The `SqlDatabase` of all sessions. Use it from one thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA busy_timeout = 5000")
        for sql in TABLES:
            self._connection.execute(sql)

    def execute(self, sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]:
        return self._connection.execute(sql, parameters).fetchall()

    def atomically(self, work: Callable[[], None]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            work()
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class LocalSession:
    """The `SessionObject` port over one service; a stub in production, the thing itself here."""

    def __init__(self, service: SessionService) -> None:
        self._service = service

    async def create(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._service.create(message)

    async def begin(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._service.begin(message)

    async def commit(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._service.commit(message)

    async def abandon(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._service.abandon(message)

    async def read(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._service.read(message)

    async def remove(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._service.remove(message)


class LocalSessionIndex:
    """The `SessionIndex` port."""

    def __init__(self, index: SubjectIndex) -> None:
        self._index = index

    async def add(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._index.add(message)

    async def touch(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._index.touch(message)

    async def drop(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._index.drop(message)

    async def names(self) -> Mapping[str, Any]:
        return self._index.names()


class LocalSessions:
    """All of them, opened when first asked for."""

    def __init__(self, path: Path, environ: Mapping[str, Any], *, clock: Clock) -> None:
        self._path = path
        self._settings = SessionSettings.from_environ(environ)
        self._clock = clock
        self._database: SqliteSessions | None = None
        self._services: dict[str, SessionService] = {}
        self._alarm: asyncio.Task[None] | None = None

    def get(self, name: str) -> LocalSession:
        """The session of that object name. Kept in memory, with its line of waiting messages, until the next alarm."""
        database = self._open()
        if name not in self._services:
            self._services[name] = SessionService(name, database, settings=self._settings, clock=self._clock)
        return LocalSession(self._services[name])

    def index(self, owner: str) -> LocalSessionIndex:
        return LocalSessionIndex(
            SubjectIndex(owner, self._open(), settings=self._settings, clock=self._clock)
        )

    def expire(self) -> int:
        """Remove what has been idle for too long; how many sessions."""
        database, removed = self._open(), 0
        for (name,) in database.execute("SELECT name FROM sessions"):
            service = SessionService(str(name), database, settings=self._settings, clock=self._clock)
            removed += service.expire() == 0
        self._services = {name: service for name, service in self._services.items() if service.is_waited_for}
        return removed

    async def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            await asyncio.wait([self._alarm])
        if self._database is not None:
            self._database.close()

    def _open(self) -> SqliteSessions:
        if self._database is None:
            self._database = SqliteSessions(self._path)
            self._alarm = asyncio.get_running_loop().create_task(self._run_alarm())
        return self._database

    async def _run_alarm(self) -> None:
        while True:
            await asyncio.sleep(min(LONGEST_ALARM_SECONDS, self._settings.idle_seconds))
            try:
                self.expire()
            except sqlite3.Error:
                logger.exception("the alarm of the sessions failed")
