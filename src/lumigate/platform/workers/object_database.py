"""The SQLite that a Durable Object has to itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pyodide.ffi import create_proxy


class ObjectDatabase:
    """The `SqlDatabase` of a Durable Object. SQL storage is synchronous."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def execute(self, sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]:
        """Rows come as JavaScript arrays."""
        return [list(row) for row in self._storage.sql.exec(sql, *parameters).raw()]

    def atomically(self, work: Callable[[], None]) -> None:
        proxy = create_proxy(work)
        try:
            self._storage.transactionSync(proxy)
        finally:
            proxy.destroy()
