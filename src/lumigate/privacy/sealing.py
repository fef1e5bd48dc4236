"""Values sealed at rest with AES-256-GCM: who may read one, and what for, is part of what is authenticated.

A sealed value is `version (1) | length of key id (1) | key id | nonce (12) | ciphertext and tag (16 or more)`. The
associated data is that header with the tenant and the purpose, each with its length before it, so that a value moved
to another tenant, another use or another key id does not open. Nonces are random: a key must be rotated before 2**32
values (NIST SP 800-38D, section 8.3). The cipher is a port: WebCrypto on Workers, `cryptography` embedded.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from lumigate.errors import ConfigurationError
from lumigate.telemetry.host import Entropy

SETTING = "SEALING_KEYS"
VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
MAX_SEALED_BYTES = 25 * 1024 * 1024
"""KV's limit for a value."""
MAX_KEYS = 16
_MAX_TENANT_BYTES = 1024
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Purpose(StrEnum):
    """What a value is sealed for; one for another's use does not open."""

    SESSION = "session"
    CACHED_ANSWER = "cached_answer"


class CannotOpen(Exception):
    """A value does not open. `reason` is from a closed set and says nothing about the value."""

    def __init__(self, reason: Literal["malformed", "unknown_key", "rejected"]) -> None:
        super().__init__(reason)
        self.reason = reason


class AeadRejected(Exception):
    """The tag does not hold: another key, other associated data, or a changed value."""


class Aead(Protocol):
    """AES-256-GCM with a tag of 16 bytes after the ciphertext."""

    async def encrypt(
        self, key: bytes, *, nonce: bytes, plaintext: bytes, associated_data: bytes
    ) -> bytes: ...

    async def decrypt(self, key: bytes, *, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        """The plaintext. Raises `AeadRejected`."""
        ...


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys by their ids, of which `current` seals and all open."""

    current: str
    keys: dict[str, bytes] = field(repr=False)

    @classmethod
    def from_setting(cls, text: str) -> KeyRing:
        """`id:base64` entries separated by commas, the current one first.

        Raises `ConfigurationError`, which quotes no key.
        """
        keys: dict[str, bytes] = {}
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        for number, entry in enumerate(entries, start=1):
            key_id, colon, encoded = entry.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):
                raise ConfigurationError(
                    SETTING, f"entry {number} is not of the form id:base64 (id: 1-32 of A-Z a-z 0-9 _ -)"
                )
            if key_id in keys:
                raise ConfigurationError(SETTING, f"entry {number} has the id of an entry before it")
            keys[key_id] = _key(encoded, number)
        if not keys:
            raise ConfigurationError(SETTING, "names no key")
        if len(keys) > MAX_KEYS:
            raise ConfigurationError(SETTING, f"has more than {MAX_KEYS} keys")
        if len(set(keys.values())) < len(keys):
            raise ConfigurationError(SETTING, "has one key under two ids")
        return cls(next(iter(keys)), keys)


def _key(encoded: str, number: int) -> bytes:
    try:
        key = b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(SETTING, f"entry {number} is not valid base64") from None
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            SETTING, f"entry {number} has {len(key)} bytes, an AES-256 key has {KEY_BYTES}"
        )
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A sealed value taken apart; nothing in it has been authenticated yet."""

    key_id: str
    nonce: bytes
    ciphertext: bytes

    def to_bytes(self) -> bytes:
        """The form that is stored."""
        return _header(self.key_id) + self.nonce + self.ciphertext

    @classmethod
    def parse(cls, sealed: bytes) -> Envelope:
        """Raises `CannotOpen` (malformed): another version, a length that does not fit, or an id that cannot be."""
        if not 2 < len(sealed) <= MAX_SEALED_BYTES or sealed[0] != VERSION:
            raise CannotOpen("malformed")
        nonce_at = 2 + sealed[1]
        ciphertext_at = nonce_at + NONCE_BYTES
        key_id = sealed[2:nonce_at].decode("ascii", "replace")
        if len(sealed) < ciphertext_at + TAG_BYTES or not _KEY_ID.fullmatch(key_id):
            raise CannotOpen("malformed")
        return cls(key_id=key_id, nonce=sealed[nonce_at:ciphertext_at], ciphertext=sealed[ciphertext_at:])


def associated_data(key_id: str, *, tenant: str, purpose: Purpose, name: str = "") -> bytes:
    """What is authenticated with the value: one byte string for each version, key, tenant, purpose and name."""
    parts = [tenant.encode(), purpose.encode()]
    if name:
        parts.append(name.encode())
    return _header(key_id) + b"".join(len(part).to_bytes(2) + part for part in parts)


def _header(key_id: str) -> bytes:
    return bytes((VERSION, len(key_id))) + key_id.encode("ascii")


class Sealer:
    """Seals with the current key and opens with any of the ring. Belongs to a request, as its entropy does."""

    __slots__ = ("_aead", "_entropy", "_ring")

    def __init__(self, ring: KeyRing, aead: Aead, entropy: Entropy) -> None:
        self._ring = ring
        self._aead = aead
        self._entropy = entropy

    async def seal(self, plaintext: bytes, *, tenant: str, purpose: Purpose, name: str = "") -> bytes:
        """The sealed value; one with a `name` opens under that name only.

        Raises `ValueError` if it, or the tenant's name, would be over the limit.
        """
        key_id = self._ring.current
        size = len(_header(key_id)) + NONCE_BYTES + len(plaintext) + TAG_BYTES
        if size > MAX_SEALED_BYTES or not 0 < len(tenant.encode()) <= _MAX_TENANT_BYTES:
            raise ValueError("the value or the tenant's name is too long to seal, or there is no tenant")
        nonce = self._entropy.random_bytes(NONCE_BYTES)
        ciphertext = await self._aead.encrypt(
            self._ring.keys[key_id],
            nonce=nonce,
            plaintext=plaintext,
            associated_data=associated_data(key_id, tenant=tenant, purpose=purpose, name=name),
        )
        return Envelope(key_id=key_id, nonce=nonce, ciphertext=ciphertext).to_bytes()

    async def open(self, sealed: bytes, *, tenant: str, purpose: Purpose, name: str = "") -> bytes:
        """What was sealed for this tenant and purpose, and under this name. Raises `CannotOpen`."""
        envelope = Envelope.parse(sealed)
        key = self._ring.keys.get(envelope.key_id)
        if key is None:
            raise CannotOpen("unknown_key")
        if not 0 < len(tenant.encode()) <= _MAX_TENANT_BYTES:
            raise CannotOpen("rejected")
        try:
            return await self._aead.decrypt(
                key,
                nonce=envelope.nonce,
                ciphertext=envelope.ciphertext,
                associated_data=associated_data(envelope.key_id, tenant=tenant, purpose=purpose, name=name),
            )
        except AeadRejected:
            raise CannotOpen("rejected") from None
