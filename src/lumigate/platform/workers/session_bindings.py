"""Stubs of the Durable Objects of sessions, over the bindings of `wrangler.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class WorkersSession:
    """A stub of the Durable Object `Session`, made anew for each use: a stub belongs to its request."""

    def __init__(self, namespace: Any, name: str) -> None:
        self._namespace = namespace
        self._name = name

    async def create(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._name).create(dict(message)))

    async def begin(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._name).begin(dict(message)))

    async def commit(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._name).commit(dict(message)))

    async def abandon(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._name).abandon(dict(message)))

    async def read(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._name).read(dict(message)))

    async def remove(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._name).remove(dict(message)))


class WorkersSessionIndex:
    """A stub of the Durable Object `SessionIndex`."""

    def __init__(self, namespace: Any, owner: str) -> None:
        self._namespace = namespace
        self._owner = owner

    async def add(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._owner).add(dict(message)))

    async def touch(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._owner).touch(dict(message)))

    async def drop(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._owner).drop(dict(message)))

    async def names(self) -> Mapping[str, Any]:
        return _answer(await self._namespace.getByName(self._owner).names())


def _answer(value: Any) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = value
    return answer
