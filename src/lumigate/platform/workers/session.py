"""Sessions and their indexes as Durable Objects: services over the object's SQLite, emptied by its alarm.

Everything between reading the state and storing the new one is synchronous, because between two awaits another call may
come in. An object that holds nothing any more has no alarm and no storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.platform.workers.environ import read_settings
from lumigate.platform.workers.object_database import ObjectDatabase
from lumigate.platform.workers.ports import CLOCK
from lumigate.sessions.index import SubjectIndex
from lumigate.sessions.service import SessionService
from lumigate.sessions.settings import SessionSettings

_is_read = SessionSettings.NAMES.__contains__
_NAME = "session"
"""An object holds one session; what it is called outside is no business of its rows."""


class SessionObject:
    """What the class `Session` in `entry.py` delegates to. Opened by the first call: settings are there only then."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._service: SessionService | None = None

    async def create(self, message: Mapping[str, Any]) -> dict[str, Any]:
        answer = (await self._open()).create(message)
        if answer["status"] == "created":
            await self._ctx.storage.setAlarm(answer["expires_ms"])
        return answer

    async def begin(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._open()).begin(message)

    async def commit(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._open()).commit(message)

    async def abandon(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._open()).abandon(message)

    async def read(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._open()).read(message)

    async def remove(self, message: Mapping[str, Any]) -> dict[str, Any]:
        answer = (await self._open()).remove(message)
        if answer["status"] == "removed":
            await _empty(self._ctx)
        return answer

    async def alarm(self) -> None:
        """Look again at the time at which the session will have been idle for too long, as far as is known now."""
        due_ms = (await self._open()).expire()
        if due_ms:
            await self._ctx.storage.setAlarm(due_ms)
        else:
            await _empty(self._ctx)

    async def _open(self) -> SessionService:
        if self._service is None:
            environ = await read_settings(_is_read)
            if self._service is None:  # still: another call may have come in where secrets had to be read
                settings = SessionSettings.from_environ(environ)
                database = ObjectDatabase(self._ctx.storage)
                self._service = SessionService(_NAME, database, settings=settings, clock=CLOCK)
        return self._service


class SessionIndexObject:
    """What the class `SessionIndex` in `entry.py` delegates to."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._alarm_ms = 0

    async def add(self, message: Mapping[str, Any]) -> dict[str, Any]:
        answer = (await self._open()).add(message)
        await self._arm()
        return answer

    async def touch(self, message: Mapping[str, Any]) -> dict[str, Any]:
        answer = (await self._open()).touch(message)
        await self._arm()
        return answer

    async def drop(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._open()).drop(message)

    async def names(self) -> dict[str, Any]:
        return (await self._open()).names()

    async def alarm(self) -> None:
        if (await self._open()).expire():
            await self._arm()
        else:
            await _empty(self._ctx)

    async def _arm(self) -> None:
        if await self._ctx.storage.getAlarm() is None:
            await self._ctx.storage.setAlarm(CLOCK.now_ns() // 1_000_000 + self._alarm_ms)

    async def _open(self) -> SubjectIndex:
        settings = SessionSettings.from_environ(await read_settings(_is_read))
        self._alarm_ms = 2 * settings.idle_seconds * 1000
        # Made anew for each call, table and all: the alarm may have emptied the storage.
        return SubjectIndex(_NAME, ObjectDatabase(self._ctx.storage), settings=settings, clock=CLOCK)


async def _empty(ctx: Any) -> None:
    """The alarm goes with the rest (compatibility date 2026-02-24 and later).

    One operation, begun before anything is awaited: between two, a call could come in and store what the second one
    deletes. https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#deleteall
    """
    await ctx.storage.deleteAll()
