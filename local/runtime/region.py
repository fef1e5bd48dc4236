"""What a jurisdiction keeps, on this machine: a folder of its own, opened when something is first kept there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.runtime.blobs import SqliteBlobs
from local.runtime.ledger import LocalLedgers
from local.runtime.session import LocalSessions
from local.runtime.sqlite import Database
from lumigate.telemetry.host import Clock


def blobs_path(folder: Path) -> Path:
    """The database of the region's object store."""
    return folder / "blobs.sqlite3"


class LocalRegion:
    """Named like its folder. Nothing in it can be reached by another name."""

    def __init__(self, folder: Path, environ: Mapping[str, Any], *, clock: Clock) -> None:
        self.name = folder.name
        self.sessions = LocalSessions(folder / "sessions.sqlite3", environ, clock=clock)
        self.ledgers = LocalLedgers(folder / "ledgers", clock)
        self._path = blobs_path(folder)
        self._clock = clock
        self._database: Database | None = None

    def blobs(self) -> SqliteBlobs:
        """The region's object store."""
        if self._database is None:
            self._database = Database(self._path)
        return SqliteBlobs(self._database, self._clock)

    async def close(self) -> None:
        """Whatever was opened."""
        self.ledgers.close()
        await self.sessions.close()
        if self._database is not None:
            self._database.close()
