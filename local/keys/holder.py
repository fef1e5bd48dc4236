"""Where keys are kept: the store of the embedded runtime, or a running gateway behind its admin routes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from local.admin_client import AdminClient
from local.runtime.clock import AnchoredClock
from local.runtime.entropy import SystemEntropy
from local.runtime.key_value import SqliteKeyValue
from local.runtime.ports import DATABASE_NAME
from local.runtime.sqlite import Database
from lumigate.api.admin_keys import shown
from lumigate.auth.key_store import KeyStore


class KeysFailed(Exception):
    """It could not be done; the message says why, in one line."""


class Holder(Protocol):
    """Keys as the admin routes show them (`lumigate.api.admin_keys`)."""

    async def create(self, tenant: str, name: str, scopes: list[str], seconds: int) -> dict[str, Any]: ...

    async def list(self) -> list[dict[str, Any]]: ...

    async def revoke(self, identity: str) -> dict[str, Any]: ...

    async def rotate(self, identity: str, overlap_seconds: int) -> dict[str, Any]: ...

    async def close(self) -> None: ...


class EmbeddedHolder:
    """The database of `lumigate dev` in a folder; a gateway that runs on it sees what changes."""

    def __init__(self, data: Path, peppers: list[str]) -> None:
        path = data / DATABASE_NAME
        if not path.exists():
            raise KeysFailed(
                f"there is no gateway's data in {data}: start `lumigate dev` there first, or name --url"
            )
        self._clock = AnchoredClock()
        self._database = Database(path)
        store = SqliteKeyValue(self._database, self._clock)
        self._keys = KeyStore(store, peppers, SystemEntropy().random_bytes)

    async def close(self) -> None:
        self._database.close()

    async def create(self, tenant: str, name: str, scopes: list[str], seconds: int) -> dict[str, Any]:
        now_s = self._now_s()
        key, record = await self._keys.create(
            tenant=tenant, name=name, scopes=scopes, now_s=now_s, expires_s=now_s + seconds
        )
        return {**shown(record, now_s), "key": key}

    async def list(self) -> list[dict[str, Any]]:
        found, cursor = [], None
        while True:
            records, cursor = await self._keys.list(cursor)
            found += [shown(record, self._now_s()) for record in records]
            if cursor is None:
                return found

    async def revoke(self, identity: str) -> dict[str, Any]:
        record = await self._keys.revoke(identity, self._now_s())
        if record is None:
            raise KeysFailed(f"there is no key {identity}")
        return shown(record, self._now_s())

    async def rotate(self, identity: str, overlap_seconds: int) -> dict[str, Any]:
        now_s = self._now_s()
        rotated = await self._keys.rotate(identity, now_s=now_s, overlap_seconds=overlap_seconds)
        if rotated is None:
            raise KeysFailed(f"there is no active key {identity}")
        key, record, old = rotated
        return {**shown(record, now_s), "key": key, "replaces": shown(old, now_s)}

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9


class RemoteHolder:
    """A gateway anywhere, by its admin routes. Raises `AdminRefused` for what it does not do."""

    def __init__(self, url: str, token: str) -> None:
        self._client = AdminClient(url, token)

    async def close(self) -> None:
        self._client.close()

    async def create(self, tenant: str, name: str, scopes: list[str], seconds: int) -> dict[str, Any]:
        body = {"tenant": tenant, "name": name, "scopes": scopes, "expires_in_seconds": seconds}
        return await self._ask("POST", "/admin/keys", body=body)

    async def list(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: dict[str, str] = {}
        while True:
            page = await self._ask("GET", "/admin/keys", query=query)
            found += page["data"]
            if page["cursor"] is None:
                return found
            query = {"cursor": page["cursor"]}

    async def revoke(self, identity: str) -> dict[str, Any]:
        return await self._ask("POST", "/admin/keys/revoke", body={"id": identity})

    async def rotate(self, identity: str, overlap_seconds: int) -> dict[str, Any]:
        body = {"id": identity, "overlap_seconds": overlap_seconds}
        return await self._ask("POST", "/admin/keys/rotate", body=body)

    async def _ask(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        return await asyncio.to_thread(self._client.ask, method, path, body=body, query=query)
