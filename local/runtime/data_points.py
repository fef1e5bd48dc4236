"""Analytics Engine on SQLite: the same limits and the same columns as its SQL API shows.

https://developers.cloudflare.com/analytics/analytics-engine/limits/
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from local.runtime.sqlite import Database
from lumigate.telemetry.host import Clock

MAX_BLOBS = 20
MAX_BLOB_BYTES = 16_000
MAX_DOUBLES = 20
MAX_INDEX_BYTES = 96
KEPT_DAYS = 92

_DAY_NS = 86_400 * 1_000_000_000
_BLOBS = [f"blob{number}" for number in range(1, MAX_BLOBS + 1)]
_DOUBLES = [f"double{number}" for number in range(1, MAX_DOUBLES + 1)]
_COLUMNS = ["timestamp", "index1", "_sample_interval", *_BLOBS, *_DOUBLES]
_INSERT = f"INSERT INTO data_points ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


class SqliteDataPoints:
    """The adapter. Raises `ValueError` where the runtime would refuse the point; nothing is sampled."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        database.write(
            "CREATE TABLE IF NOT EXISTS data_points "
            "(timestamp INTEGER, index1 TEXT, _sample_interval INTEGER, "
            + ", ".join([f"{name} TEXT" for name in _BLOBS] + [f"{name} REAL" for name in _DOUBLES])
            + ")"
        )
        database.write("CREATE INDEX IF NOT EXISTS data_points_by_time ON data_points (timestamp)")
        database.write(
            "DELETE FROM data_points WHERE timestamp < ?", ((clock.now_ns() - KEPT_DAYS * _DAY_NS) // 10**9,)
        )

    def write(self, *, index: str, blobs: Sequence[str], doubles: Sequence[float]) -> None:
        check_point(index=index, blobs=blobs, doubles=doubles)
        row = [
            self._clock.now_ns() // 1_000_000_000,
            index,
            1,
            *blobs,
            *[""] * (MAX_BLOBS - len(blobs)),
            *doubles,
            *[0.0] * (MAX_DOUBLES - len(doubles)),
        ]
        self._database.write_soon(_INSERT, row)


def check_point(*, index: str, blobs: Sequence[str], doubles: Sequence[float]) -> None:
    """Raise `ValueError`, naming the limit, where Analytics Engine would refuse the point."""
    if len(index.encode("utf-8")) > MAX_INDEX_BYTES:
        raise ValueError(f"an index of {len(index.encode('utf-8'))} bytes is over {MAX_INDEX_BYTES}")
    if len(blobs) > MAX_BLOBS:
        raise ValueError(f"{len(blobs)} blobs are over {MAX_BLOBS}")
    if (size := len("".join(blobs).encode("utf-8"))) > MAX_BLOB_BYTES:
        raise ValueError(f"blobs of {size} bytes together are over {MAX_BLOB_BYTES}")
    if len(doubles) > MAX_DOUBLES:
        raise ValueError(f"{len(doubles)} doubles are over {MAX_DOUBLES}")
    if not all(map(math.isfinite, doubles)):
        raise ValueError("a double is not finite")
