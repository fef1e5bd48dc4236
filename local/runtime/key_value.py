"""Workers KV on SQLite, with its limits; unlike KV it is consistent at once."""

from __future__ import annotations

import sys

from local.runtime.sqlite import Database
from lumigate.telemetry.host import Clock

MAX_KEY_BYTES = 512
MAX_VALUE_BYTES = 25 * 1024 * 1024
MIN_TTL_SECONDS = 60

_PUT = "INSERT OR REPLACE INTO key_value (key, value, expires_ns) VALUES (?, ?, ?)"
_PUTS_BETWEEN_PURGES = 500


class SqliteKeyValue:
    """The adapter. Raises `ValueError` where KV would refuse."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._puts = 0

    async def get(self, key: str) -> bytes | None:
        _check_key(key)
        rows = self._database.read(
            "SELECT value FROM key_value WHERE key = ? AND expires_ns > ?", (key, self._clock.now_ns())
        )
        return rows[0][0] if rows else None

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        _check_key(key)
        if len(value) > MAX_VALUE_BYTES:
            raise ValueError(f"a value of {len(value)} bytes is over KV's {MAX_VALUE_BYTES}")
        if ttl_seconds < MIN_TTL_SECONDS:
            raise ValueError(f"a time to live of {ttl_seconds} s is under KV's floor of {MIN_TTL_SECONDS}")
        parameters = (key, value, self._clock.now_ns() + ttl_seconds * 1_000_000_000)
        await self._database.write_sized(_PUT, parameters, size=len(value))
        self._puts += 1
        if self._puts % _PUTS_BETWEEN_PURGES == 0:
            self._database.write("DELETE FROM key_value WHERE expires_ns <= ?", (self._clock.now_ns(),))

    async def delete(self, key: str) -> None:
        _check_key(key)
        self._database.write("DELETE FROM key_value WHERE key = ?", (key,))

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        # The bounds let the index find the place; the prefix itself is compared all the same.
        rows = self._database.read(
            "SELECT key FROM key_value WHERE key >= ? AND key < ? AND substr(key, 1, ?) = ? AND key > ?"
            " AND expires_ns > ? ORDER BY key LIMIT ?",
            (
                prefix,
                prefix + chr(sys.maxunicode),
                len(prefix),
                prefix,
                cursor or "",
                self._clock.now_ns(),
                limit + 1,
            ),
        )
        names = [str(row[0]) for row in rows[:limit]]
        return names, names[-1] if len(rows) > limit else None


def _check_key(key: str) -> None:
    length = len(key.encode("utf-8"))
    if key in ("", ".", "..") or length > MAX_KEY_BYTES:
        raise ValueError(f"a key of {length} bytes: KV takes 1 to {MAX_KEY_BYTES}, and neither '.' nor '..'")
