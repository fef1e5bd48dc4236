"""R2 on SQLite: an object store that is consistent at once."""

from __future__ import annotations

from local.runtime.sqlite import Database
from lumigate.telemetry.host import Clock

MAX_KEY_BYTES = 1024

_PUT = "INSERT OR REPLACE INTO blobs (key, value, stored_ns) VALUES (?, ?, ?)"


class SqliteBlobs:
    """The adapter. Raises `ValueError` where R2 would refuse."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, key: str) -> bytes | None:
        rows = self._database.read("SELECT value FROM blobs WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    async def put(self, key: str, value: bytes) -> None:
        if not 0 < len(key.encode("utf-8")) <= MAX_KEY_BYTES:
            raise ValueError(f"a key of {len(key.encode('utf-8'))} bytes: R2 takes 1 to {MAX_KEY_BYTES}")
        parameters = (key, value, self._clock.now_ns())
        await self._database.write_sized(_PUT, parameters, size=len(value))

    async def delete(self, key: str) -> None:
        self._database.write("DELETE FROM blobs WHERE key = ?", (key,))

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        rows = self._database.read(
            "SELECT key FROM blobs WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
            (cursor or "", prefix, prefix + "\U0010ffff", limit + 1),
        )
        names = [row[0] for row in rows[:limit]]
        return names, names[-1] if len(rows) > limit else None
