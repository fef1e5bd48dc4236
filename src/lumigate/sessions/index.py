"""All sessions of one subject, so that they can be shown and forgotten together.

An entry is written before its session is, and again at times while that is used; one not seen for longer than a session
lives is of a session that is gone. The entry holds the name of the object, which does not lead back to the id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.sessions.settings import SessionSettings
from lumigate.sql import SqlDatabase
from lumigate.telemetry.host import Clock

_TABLE = (
    "CREATE TABLE IF NOT EXISTS subject_sessions (owner TEXT NOT NULL, name TEXT NOT NULL, seen_ms INTEGER NOT NULL,"
    " PRIMARY KEY (owner, name))"
)


class SubjectIndex:
    """The index of `owner`. Synchronous, as the session is."""

    def __init__(self, owner: str, database: SqlDatabase, *, settings: SessionSettings, clock: Clock) -> None:
        self._owner = owner
        self._execute = database.execute
        self._clock = clock
        self._limit = settings.per_subject
        # A session lives for the idle time after a turn, and a turn is committed only where its entry is younger than a
        # quarter of that, or has been renewed.
        self._life_ms = int((1.5 * settings.idle_seconds + 2 * settings.lease_seconds) * 1000)
        self._execute(_TABLE)

    def add(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`name` → `added`; or `full`, where the subject has as many as it may have."""
        self.expire()
        (count,) = next(
            iter(self._execute("SELECT COUNT(*) FROM subject_sessions WHERE owner = ?", self._owner))
        )
        if int(count) >= self._limit:
            return {"status": "full", "count": int(count)}
        return self.touch(message)

    def touch(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`name` has been used."""
        now_ms = self._clock.now_ns() // 1_000_000
        sql = "INSERT OR REPLACE INTO subject_sessions VALUES (?, ?, ?)"
        self._execute(sql, self._owner, str(message["name"]), now_ms)
        return {"status": "added"}

    def drop(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`names` are gone."""
        for name in message["names"]:
            self._execute("DELETE FROM subject_sessions WHERE owner = ? AND name = ?", self._owner, str(name))
        return {"status": "dropped"}

    def names(self) -> dict[str, Any]:
        """All that may still be there, in an order that stays."""
        sql = "SELECT name FROM subject_sessions WHERE owner = ? ORDER BY name"
        return {"names": [str(name) for (name,) in self._execute(sql, self._owner)]}

    def expire(self) -> int:
        """Let go of entries of sessions that are gone; how many are left."""
        oldest_ms = self._clock.now_ns() // 1_000_000 - self._life_ms
        self._execute("DELETE FROM subject_sessions WHERE owner = ? AND seen_ms < ?", self._owner, oldest_ms)
        (count,) = next(
            iter(self._execute("SELECT COUNT(*) FROM subject_sessions WHERE owner = ?", self._owner))
        )
        return int(count)
