"""Durable Objects as the application calls them: one writer each, out of reach now and then.

Messages and answers are what RPC carries: dicts of texts, numbers and lists, or one text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class CounterShard(Protocol):
    """A single logical writer of metric streams (a Durable Object). May raise anything when it cannot be reached."""

    async def push(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand over one batch of deltas; returns what became of it (`lumigate.shard.Shard.push`)."""
        ...

    async def scrape(self, form: Mapping[str, Any]) -> str:
        """Its part of an exposition in the format whose fields `form` holds."""
        ...


class Ledger(Protocol):
    """A tenant's budgets and exact limits (a Durable Object).

    May raise anything when it cannot be reached, and raises `TimeoutError` when it says nothing for so long; what was
    asked may then have happened or not.
    """

    async def reserve(self, text: str, *, timeout_seconds: float) -> str:
        """Ask for what a request may need (`lumigate.ledger.wire.reserve_text`); the decision."""
        ...

    async def settle(self, text: str, *, timeout_seconds: float) -> str:
        """Say what it really used (`settle_text`)."""
        ...

    async def usage(self, text: str, *, timeout_seconds: float) -> str:
        """Where the tenant stands (`usage_text`)."""
        ...


class SessionObject(Protocol):
    """One session (a Durable Object), by the name that is no id; see `lumigate.sessions.service` for the messages.

    Messages and answers are dicts of texts, numbers and lists. May raise anything when it cannot be reached.
    """

    async def create(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def begin(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def commit(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def abandon(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def read(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def remove(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...


class SessionIndex(Protocol):
    """All sessions of one subject (a Durable Object); see `lumigate.sessions.index`."""

    async def add(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def touch(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def drop(self, message: Mapping[str, Any]) -> Mapping[str, Any]: ...
    async def names(self) -> Mapping[str, Any]: ...
