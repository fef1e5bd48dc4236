"""Crypto."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate.ports import (
    VerifyKey,
)
from tests.fakes.fetch import FakeAnswer, json_answer
from tests.fakes.settings import AUDIENCE, ISSUER, NOW_SECONDS


@dataclass(frozen=True, slots=True)
class FakeKey:
    """What `FakeCrypto` imports."""

    secret: str


class FakeCrypto:
    """Signatures that anyone can make: the SHA-256 of the key's `n` and the message. No security, no cost."""

    def __init__(self) -> None:
        self.imported: list[str] = []

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> FakeKey:
        secret = jwk.get("n")
        if not isinstance(secret, str):
            raise ValueError("'n' is missing")
        await asyncio.sleep(0)
        self.imported.append(secret)
        return FakeKey(secret)

    async def verify(self, key: VerifyKey, signature: bytes, message: bytes) -> bool:
        await asyncio.sleep(0)
        assert isinstance(key, FakeKey)
        return signature == fake_signature(key.secret, message)


def fake_signature(secret: str, message: bytes) -> bytes:
    return hashlib.sha256(secret.encode() + message).digest()


def fake_jwk(kid: str, **members: Any) -> dict[str, Any]:
    """A key that `FakeCrypto` can import and `make_token` signs with."""
    return {"kty": "RSA", "kid": kid, "n": f"secret of {kid}", "e": "AQAB", **members}


def key_set(*kids: str) -> FakeAnswer:
    return json_answer({"keys": [fake_jwk(kid) for kid in kids]})


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def make_claims(**changes: Any) -> dict[str, Any]:
    """Claims that are accepted at `NOW_SECONDS`; a value of None takes one out."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "developer",
        "tenant": "acme",
        "iat": NOW_SECONDS - 10,
        "exp": NOW_SECONDS + 3600,
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def make_token(
    claims: Any = None,
    *,
    kid: str = "k1",
    header: Mapping[str, Any] | None = None,
    signature: bytes | None = None,
) -> str:
    """A compact token, signed as `FakeCrypto` checks it. A header value of None takes the member out."""
    members = {"alg": "RS256", "kid": kid, **(header or {})}
    head = json.dumps({name: value for name, value in members.items() if value is not None})
    payload = json.dumps(make_claims() if claims is None else claims)
    signed = f"{base64url(head.encode())}.{base64url(payload.encode())}"
    if signature is None:
        signature = fake_signature(f"secret of {kid}", signed.encode())
    return f"{signed}.{base64url(signature)}"
