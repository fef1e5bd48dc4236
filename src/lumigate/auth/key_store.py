"""API keys in KV: made, listed, revoked, rotated. The admin route and `lumigate keys` both work through this.

A record lies under the key's id, which is no secret, and holds the key's hash, never the key. It outlives the key by
`KEEP_SECONDS`, so that a list still shows what expired or was revoked. KV is eventually consistent: a revoked key may
be let in for another minute, and for as long as isolates remember it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lumigate import strict_json
from lumigate.auth.api_key import hash_key, is_id, make_key
from lumigate.ports import KeyValue

PREFIX = "auth:key:"
KEEP_SECONDS = 30 * 86_400
PAGE_KEYS = 40
"""A record is a read of its own, and a request on Cloudflare's free plan has 50."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What is known of a key; instants are seconds since the epoch."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    hash: str
    created_s: int
    expires_s: int
    revoked_s: int | None = None
    replaced_by: str | None = None

    @property
    def rights(self) -> str:
        return rights_of(self.tenant, self.scopes)

    def state(self, now_s: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_s is not None:
            return "revoked"
        return "expired" if now_s >= self.expires_s else "active"

    def to_json(self) -> bytes:
        members = {
            "tenant": self.tenant,
            "name": self.name,
            "scopes": list(self.scopes),
            "hash": self.hash,
            "created_at": self.created_s,
            "expires_at": self.expires_s,
            "revoked_at": self.revoked_s,
            "replaced_by": self.replaced_by,
        }
        return json.dumps(members, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, identity: str, data: bytes) -> KeyRecord:
        """Raises `ValueError` for what was not written by `to_json`."""
        members = strict_json.load_object(data) or {}
        try:
            return cls(
                id=identity,
                tenant=str(members["tenant"]),
                name=str(members["name"]),
                scopes=tuple(str(scope) for scope in members["scopes"]),
                hash=str(members["hash"]),
                created_s=int(members["created_at"]),
                expires_s=int(members["expires_at"]),
                revoked_s=members["revoked_at"],
                replaced_by=members["replaced_by"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the record of a key is broken: {error}") from None


def rights_of(tenant: str, scopes: Sequence[str]) -> str:
    """What a key may do, in the words that its hash covers."""
    return json.dumps([tenant, *scopes])


class KeyStore:
    """Over one request's KV. `peppers`: the first is for new keys. Whatever the store raises passes through."""

    def __init__(self, store: KeyValue, peppers: Sequence[str], random_bytes: Callable[[int], bytes]) -> None:
        self._store = store
        self._peppers = peppers
        self._random_bytes = random_bytes

    async def find(self, identity: str) -> KeyRecord | None:
        """The record of that id."""
        if not is_id(identity):
            return None
        data = await self._store.get(PREFIX + identity)
        return None if data is None else KeyRecord.from_json(identity, data)

    async def create(
        self, *, tenant: str, name: str, scopes: Sequence[str], now_s: float, expires_s: float
    ) -> tuple[str, KeyRecord]:
        """A new key, which nobody can show again, and its record."""
        key, identity = make_key(self._random_bytes)
        scopes = tuple(dict.fromkeys(scopes))
        record = KeyRecord(
            id=identity,
            tenant=tenant,
            name=name,
            scopes=tuple(scopes),
            hash=hash_key(key, self._peppers[0], rights_of(tenant, scopes)),
            created_s=int(now_s),
            expires_s=math.ceil(expires_s),
        )
        await self._put(record, now_s)
        return key, record

    async def list(self, cursor: str | None = None) -> tuple[list[KeyRecord], str | None]:
        """A page of records, by id, and where the next one begins."""
        names, following = await self._store.names(PREFIX, limit=PAGE_KEYS, cursor=cursor)
        records = []
        for name in names:
            record = await self.find(name.removeprefix(PREFIX))
            if record is not None:  # gone meanwhile
                records.append(record)
        return records, following

    async def revoke(self, identity: str, now_s: float) -> KeyRecord | None:
        """The record as it is now; None if there is no such key. Revoking twice changes nothing."""
        record = await self.find(identity)
        if record is None or record.revoked_s is not None:
            return record
        revoked = replace(record, revoked_s=int(now_s))
        await self._put(revoked, now_s)
        return revoked

    async def rotate(
        self, identity: str, *, now_s: float, overlap_seconds: float, expires_s: float | None = None
    ) -> tuple[str, KeyRecord, KeyRecord] | None:
        """A new key with the rights of an active one, its record, and the old record; None if there is no such key.

        Both are good for `overlap_seconds`, unless the old one expires before. The new one lives as long as the old
        one was meant to from its own making, unless `expires_s` says otherwise.
        """
        record = await self.find(identity)
        if record is None or record.state(now_s) != "active":
            return None
        lifetime_s = record.expires_s - record.created_s
        key, successor = await self.create(
            tenant=record.tenant,
            name=record.name,
            scopes=record.scopes,
            now_s=now_s,
            expires_s=expires_s if expires_s is not None else now_s + lifetime_s,
        )
        ends_s = min(record.expires_s, math.ceil(now_s + overlap_seconds))
        old = replace(record, expires_s=ends_s, replaced_by=successor.id)
        await self._put(old, now_s)
        return key, successor, old

    async def _put(self, record: KeyRecord, now_s: float) -> None:
        ttl = max(0, math.ceil(record.expires_s - now_s)) + KEEP_SECONDS
        await self._store.put(PREFIX + record.id, record.to_json(), ttl_seconds=ttl)
