"""The counter shard's stand-in: keeps each batch of deltas, and acknowledges it once it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.runtime.sqlite import Database
from lumigate.telemetry.host import Clock


class SqliteCounterShard:
    """The adapter. The last `KEPT_BATCHES` batches are kept."""

    KEPT_BATCHES = 10_000

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def push(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        text = json.dumps(batch, separators=(",", ":"))
        self._database.write(
            "INSERT INTO shard_batches (stored_ns, batch) VALUES (?, ?)", (self._clock.now_ns(), text)
        )
        self._database.write(
            "DELETE FROM shard_batches WHERE id <= (SELECT max(id) FROM shard_batches) - ?",
            (self.KEPT_BATCHES,),
        )
        return {"accepted": True}

    def batches(self) -> list[dict[str, Any]]:
        """What was pushed, oldest first."""
        return [
            json.loads(text) for (text,) in self._database.read("SELECT batch FROM shard_batches ORDER BY id")
        ]
