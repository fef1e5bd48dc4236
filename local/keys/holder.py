"""Where keys are kept: the store of the embedded runtime, or a running gateway behind its admin routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import httpx

from local.runtime.clock import AnchoredClock
from local.runtime.entropy import SystemEntropy
from local.runtime.key_value import SqliteKeyValue
from local.runtime.ports import DATABASE_NAME
from local.runtime.sqlite import Database
from lumigate.api.admin_keys import shown
from lumigate.auth.key_store import KeyStore

_TIMEOUT_SECONDS = 20.0


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
    """A gateway anywhere, by its admin routes: no account of Cloudflare is needed."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"), headers={"authorization": f"Bearer {token}"}, timeout=_TIMEOUT_SECONDS
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def create(self, tenant: str, name: str, scopes: list[str], seconds: int) -> dict[str, Any]:
        body = {"tenant": tenant, "name": name, "scopes": scopes, "expires_in_seconds": seconds}
        return await self._ask("POST", "/admin/keys", body)

    async def list(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await self._ask("GET", "/admin/keys", None, {} if cursor is None else {"cursor": cursor})
            found += page["data"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    async def revoke(self, identity: str) -> dict[str, Any]:
        return await self._ask("POST", "/admin/keys/revoke", {"id": identity})

    async def rotate(self, identity: str, overlap_seconds: int) -> dict[str, Any]:
        return await self._ask(
            "POST", "/admin/keys/rotate", {"id": identity, "overlap_seconds": overlap_seconds}
        )

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = await self._client.request(method, path, json=body, params=query)
            content: dict[str, Any] = answer.json()
        except httpx.HTTPError as error:
            raise KeysFailed(f"{self._client.base_url} cannot be reached: {error}") from None
        except ValueError:
            raise KeysFailed(f"{self._client.base_url} is no gateway: what it answers is not JSON") from None
        if not answer.is_success:
            problem = content.get("error", {}).get("message", "no reason given")
            raise KeysFailed(f"the gateway says {answer.status_code}: {problem}")
        return content
