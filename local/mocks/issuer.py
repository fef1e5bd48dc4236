"""An issuer of tokens for development and tests: a key, its key set over HTTP, and tokens good and bad.

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
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from local.mocks.wire import Exchange, WireRequest, WireServer

ISSUER = "https://issuer.lumigate.test/"
AUDIENCE = "lumigate"
KEY_SET_PATH = "/.well-known/jwks.json"
DAY_SECONDS = 86_400


type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES: Mapping[str, tuple[str, ec.EllipticCurve, int]] = {
    "ES256": ("P-256", ec.SECP256R1(), 32),
    "ES384": ("P-384", ec.SECP384R1(), 48),
    "ES512": ("P-521", ec.SECP521R1(), 66),
}
"""Name, curve and bytes of a coordinate."""


class SigningKey:
    """A key for one algorithm with its key id (the thumbprint of RFC 7638)."""

    __slots__ = ("_private", "algorithm", "jwk", "kid")

    def __init__(self, private: Any, algorithm: str = "RS256") -> None:
        """`private` is a `PrivateKey` of the kind that the algorithm takes."""
        self._private: PrivateKey = private
        self.algorithm = algorithm
        members = _public_members(private.public_key(), algorithm)
        self.kid = encode(hashlib.sha256(_json(dict(sorted(members.items())))).digest())
        self.jwk: dict[str, Any] = {**members, "kid": self.kid, "use": "sig", "alg": algorithm}

    @classmethod
    def generate(cls, algorithm: str = "RS256") -> Self:
        if algorithm == "EdDSA":
            return cls(ed25519.Ed25519PrivateKey.generate(), algorithm)
        if algorithm in _CURVES:
            return cls(ec.generate_private_key(_CURVES[algorithm][1]), algorithm)
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm)

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
        """As JOSE writes it: for ES* that is r || s (RFC 7518, section 3.4)."""
        private = self._private
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(message)
        digest = _DIGESTS[self.algorithm[2:]]
        if isinstance(private, ec.EllipticCurvePrivateKey):
            size = _CURVES[self.algorithm][2]
            r, s = decode_dss_signature(private.sign(message, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if self.algorithm.startswith("PS"):
            return private.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        return private.sign(message, padding.PKCS1v15(), digest)


def sign_token(key: SigningKey, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """A compact JWS over `claims`. `header` changes or adds members; None leaves one out."""
    members = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
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

    def rotate(self, *, keep_old: bool = True, algorithm: str = "RS256") -> SigningKey:
        """Sign with a new key from now on; the old one stays published unless told otherwise."""
        self.key = SigningKey.generate(algorithm)
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


def _public_members(public: Any, algorithm: str) -> dict[str, str]:
    """What RFC 7638 takes the thumbprint of."""
    if algorithm == "EdDSA":
        return {"crv": "Ed25519", "kty": "OKP", "x": encode(public.public_bytes_raw())}
    numbers = public.public_numbers()
    if algorithm in _CURVES:
        name, _, size = _CURVES[algorithm]
        x, y = (encode(value.to_bytes(size, "big")) for value in (numbers.x, numbers.y))
        return {"crv": name, "kty": "EC", "x": x, "y": y}
    return {"e": _encode_integer(numbers.e), "kty": "RSA", "n": _encode_integer(numbers.n)}


def _encode_integer(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
