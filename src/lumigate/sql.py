"""The SQLite of a Durable Object, as ledgers, shards and sessions ask for it. Statements run at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol


class Execute(Protocol):
    """Run one statement with `?` parameters (integers below 2**53, texts), return its rows as sequences."""

    def __call__(self, sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]: ...


class SqlDatabase(Protocol):
    """The same as a method, and transactions."""

    def execute(self, sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]: ...

    def atomically(self, work: Callable[[], None]) -> None:
        """Run `work`, whose statements count all or, where it raises, not at all."""
        ...
