"""An issuer of tokens for development and tests: an RSA key, its key set over HTTP, and tokens good and bad.

The key may be kept in a file (mode 0600), so that another process, `lumigate token`, signs for the same
gateway. Written over `cryptography` alone: a compact JWS is three base64url parts (RFC 7515, section 3.1).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.mocks.wire import Exchange, WireRequest, WireServer

ISSUER = "https://issuer.lumigate.test/"
AUDIENCE = "lumigate"
KEY_SET_PATH = "/.well-known/jwks.json"
DAY_SECONDS = 86_400


class SigningKey:
    """An RSA key with its key id (the thumbprint of RFC 7638)."""

    __slots__ = ("_private", "jwk", "kid")

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        numbers = private.public_key().public_numbers()
        members = {"e": _encode_integer(numbers.e), "kty": "RSA", "n": _encode_integer(numbers.n)}
        self.kid = encode(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())
        self.jwk: dict[str, Any] = {**members, "kid": self.kid, "use": "sig", "alg": "RS256"}

    @classmethod
    def generate(cls) -> Self:
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key written by `save`. Raises `OSError`, or `ValueError` if the file holds none."""
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise ValueError(f"{path} holds no RSA key")
        return cls(private)

    @classmethod
    def load_or_generate(cls, path: Path) -> Self:
        if path.exists():
            return cls.load(path)
        key = cls.generate()
        key.save(path)
        return key

    def save(self, path: Path) -> None:
        """Write the key, readable by its owner only."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())


def sign_token(key: SigningKey, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """A compact JWS over `claims`, RS256. `header` changes or adds members; None leaves one out."""
    members = {"alg": "RS256", "typ": "JWT", "kid": key.kid, **(header or {})}
    head = encode(_json({name: value for name, value in members.items() if value is not None}))
    message = f"{head}.{encode(_json(claims))}"
    return f"{message}.{encode(key.sign(message.encode('ascii')))}"


class TokenMint:
    """Makes tokens that the gateway accepts, and each kind that it must not."""

    def __init__(self, key: SigningKey, *, issuer: str = ISSUER, audience: str = AUDIENCE) -> None:
        self.key = key
        self.issuer = issuer
        self.audience = audience

    def claims(self, *, sub: str, tenant: str, ttl_seconds: int) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": sub,
            "tenant": tenant,
            "iat": now,
            "nbf": now,
            "exp": now + ttl_seconds,
        }

    def valid(
        self,
        *,
        sub: str = "developer",
        tenant: str = "acme",
        ttl_seconds: int = 3600,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token the gateway accepts; `claims` add to it or change it, None leaves a claim out."""
        members = {**self.claims(sub=sub, tenant=tenant, ttl_seconds=ttl_seconds), **claims}
        present = {name: value for name, value in members.items() if value is not None}
        return sign_token(self.key, present, header)

    def expired(self, **claims: Any) -> str:
        now = int(time.time())
        return self.valid(**{"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600, **claims})

    def not_yet_valid(self, **claims: Any) -> str:
        return self.valid(**{"nbf": int(time.time()) + 3600, "ttl_seconds": 7200, **claims})

    def foreign_issuer(self, **claims: Any) -> str:
        return self.valid(**{"iss": "https://somebody-else.example/", **claims})

    def foreign_audience(self, **claims: Any) -> str:
        return self.valid(**{"aud": "another-service", **claims})

    def unknown_key(self, **claims: Any) -> str:
        """Signed by a key that the key set does not hold."""
        return TokenMint(SigningKey.generate(), issuer=self.issuer, audience=self.audience).valid(**claims)

    def forged(self, **claims: Any) -> str:
        """Signed by another key that claims this one's key id."""
        return self.unknown_key(**{"header": {"kid": self.key.kid}, **claims})

    def unsigned(self, **claims: Any) -> str:
        """`alg: none` (RFC 7519, section 6): no signature at all."""
        head, payload, _ = self.valid(**{"header": {"alg": "none"}, **claims}).split(".")
        return f"{head}.{payload}."

    def tampered(self, **claims: Any) -> str:
        """A valid token whose subject was changed after it was signed."""
        head, payload, signature = self.valid(**claims).split(".")
        members = json.loads(base64.urlsafe_b64decode(payload + "=="))
        return f"{head}.{encode(_json({**members, 'sub': 'root'}))}.{signature}"


class Issuer(TokenMint):
    """The mint plus its key set, served at `/.well-known/jwks.json`. An async context manager."""

    def __init__(
        self, key: SigningKey | None = None, *, issuer: str = ISSUER, audience: str = AUDIENCE, port: int = 0
    ) -> None:
        super().__init__(key or SigningKey.generate(), issuer=issuer, audience=audience)
        self.published = [self.key]
        self.fetches = 0
        self.failing_status = 0
        """Any other than 0: the key set is answered with this status and no keys."""
        self._server = WireServer(self._handle, port=port)

    @property
    def jwks_url(self) -> str:
        return self._server.url + KEY_SET_PATH

    def rotate(self, *, keep_old: bool = True) -> SigningKey:
        """Sign with a new key from now on; the old one stays published unless told otherwise."""
        self.key = SigningKey.generate()
        self.published = [*self.published, self.key] if keep_old else [self.key]
        return self.key

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._server.__aexit__(*details)

    async def _handle(self, request: WireRequest, exchange: Exchange) -> None:
        if request.path != KEY_SET_PATH:
            exchange.respond(404, b'{"error":"not found"}')
            return
        self.fetches += 1
        if self.failing_status:
            exchange.respond(self.failing_status, b'{"error":"as asked"}')
            return
        keys = _json({"keys": [key.jwk for key in self.published]})
        exchange.respond(200, keys, "application/jwk-set+json", {"cache-control": "public, max-age=300"})


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _encode_integer(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
