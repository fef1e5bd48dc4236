"""The real services of sessions over SQLite in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from local.runtime.session import LocalSession, LocalSessionIndex, SqliteSessions
from lumigate.sessions.index import SubjectIndex
from lumigate.sessions.service import SessionService
from lumigate.sessions.settings import SessionSettings
from tests.fakes.clock import FakeClock


class MemoryDatabase(SqliteSessions):
    """The database of sessions in memory; closed at the end of the test."""

    made: ClassVar[list[MemoryDatabase]] = []
    """Those of the test that is running. Held on to, because a collector of garbage warns of open ones."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))
        self.made.append(self)

    @classmethod
    def close_all(cls) -> None:
        for database in cls.made:
            database.close()
        cls.made.clear()


class FakeSessions:
    """Objects by name. `faults` are raised one after the other by the calls that come next, after they took effect."""

    def __init__(self, clock: FakeClock, **environ: Any) -> None:
        self.clock = clock
        self.settings = SessionSettings.from_environ(environ)
        self.database = MemoryDatabase()
        self.services: dict[str, SessionService] = {}
        self.faults: list[Exception] = []

    def get(self, name: str) -> _Faulty:
        """The session of that object name."""
        if name not in self.services:
            self.services[name] = SessionService(
                name, self.database, settings=self.settings, clock=self.clock
            )
        return _Faulty(self.services[name], self.faults)

    def index(self, owner: str) -> LocalSessionIndex:
        return LocalSessionIndex(SubjectIndex(owner, self.database, settings=self.settings, clock=self.clock))

    def rows(self) -> str:
        """Everything that is stored, as one text."""
        tables = ("sessions", "session_turns", "session_parts", "subject_sessions")
        known = {str(name) for (name,) in self.database.execute("SELECT name FROM sqlite_master")}
        return "\n".join(
            str(row)
            for table in tables
            if table in known
            for row in self.database.execute(f"SELECT * FROM {table}")  # noqa: S608 - the names above
        )


class _Faulty(LocalSession):
    def __init__(self, service: SessionService, faults: list[Exception]) -> None:
        super().__init__(service)
        self._faults = faults

    async def commit(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await super().commit(message)
        if self._faults:
            raise self._faults.pop(0)
        return answer

    async def read(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._faults:
            raise self._faults.pop(0)
        return await super().read(message)
