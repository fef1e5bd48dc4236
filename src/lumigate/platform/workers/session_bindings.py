"""Stubs of the Durable Objects of sessions, over the bindings of `wrangler.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.platform.workers.jurisdiction import has_jurisdictions, stub


class WorkersSession:
    """A stub of the Durable Object `Session`, made anew for each use: a stub belongs to its request."""

    def __init__(self, namespace: Any, name: str, jurisdiction: str = "") -> None:
        self._namespace = namespace
        self._name = name
        self._jurisdiction = jurisdiction

    def _stub(self) -> Any:
        return stub(self._namespace, self._name, self._jurisdiction)

    async def create(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().create(dict(message)))

    async def begin(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().begin(dict(message)))

    async def commit(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().commit(dict(message)))

    async def abandon(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().abandon(dict(message)))

    async def read(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().read(dict(message)))

    async def remove(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().remove(dict(message)))


class WorkersSessionIndex:
    """A stub of the Durable Object `SessionIndex`."""

    def __init__(self, namespace: Any, owner: str, jurisdiction: str = "") -> None:
        self._namespace = namespace
        self._owner = owner
        self._jurisdiction = jurisdiction

    def _stub(self) -> Any:
        return stub(self._namespace, self._owner, self._jurisdiction)

    async def add(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().add(dict(message)))

    async def touch(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().touch(dict(message)))

    async def drop(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._stub().drop(dict(message)))

    async def names(self) -> Mapping[str, Any]:
        if self._jurisdiction and not has_jurisdictions(self._namespace):
            return {"names": []}  # nothing can have been put there
        return _answer(await self._stub().names())


def _answer(value: Any) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = value
    return answer
