"""Keys that sign tokens, in either runtime: by `cryptography` here, by WebCrypto in Pyodide."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lumigate.auth import base64url
from lumigate.auth.algorithms import ALGORITHMS, ECDSA, EDDSA, PSS
from lumigate.ports import Crypto

IN_PYODIDE = sys.platform == "emscripten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key for one algorithm; `jwk` is its public part, with a key id."""

    algorithm: str
    jwk: dict[str, Any]
    sign: Callable[[bytes], Awaitable[bytes]]

    async def token(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """A compact token."""
        members = {"alg": self.algorithm, "typ": "JWT", "kid": self.jwk["kid"], **(header or {})}
        parts = (json.dumps(part, separators=(",", ":")).encode() for part in (members, claims))
        signed = ".".join(map(base64url.encode, parts))
        return f"{signed}.{base64url.encode(await self.sign(signed.encode()))}"


def crypto() -> Crypto:
    """The adapter of this runtime."""
    if IN_PYODIDE:
        from lumigate.platform.workers.crypto import WorkersCrypto

        return WorkersCrypto()
    from local.runtime.crypto import LocalCrypto

    return LocalCrypto()


async def new_signer(algorithm: str) -> Signer:
    return await (_by_webcrypto(algorithm) if IN_PYODIDE else _by_cryptography(algorithm))


async def _by_cryptography(algorithm: str) -> Signer:
    from local.mocks.issuer import SigningKey

    key = SigningKey.generate(algorithm)

    async def sign(message: bytes) -> bytes:
        return key.sign(message)

    return Signer(algorithm=algorithm, jwk=key.jwk, sign=sign)


async def _by_webcrypto(algorithm: str) -> Signer:
    import js
    from pyodide.ffi import to_js

    def plain(value: Any) -> Any:
        return to_js(value, dict_converter=js.Object.fromEntries)

    wanted, subtle = ALGORITHMS[algorithm], js.crypto.subtle
    make: Any = {"name": wanted.scheme, "hash": wanted.hash}
    use: Any = {"name": wanted.scheme, "hash": wanted.hash}
    if wanted.scheme == EDDSA:
        make = use = {"name": EDDSA}
    elif wanted.scheme == ECDSA:
        make = {"name": ECDSA, "namedCurve": wanted.curve}
    else:
        make |= {"modulusLength": 2048, "publicExponent": js.Uint8Array.new([1, 0, 1])}
        if wanted.scheme == PSS:
            use["saltLength"] = int(wanted.hash.removeprefix("SHA-")) // 8
    pair = await subtle.generateKey(plain(make), True, to_js(["sign", "verify"]))
    jwk = (await subtle.exportKey("jwk", pair.publicKey)).to_py()
    jwk |= {"kid": f"key of {algorithm}", "use": "sig", "alg": algorithm}

    async def sign(message: bytes) -> bytes:
        made = await subtle.sign(plain(use), pair.privateKey, to_js(message))
        return bytes(made.to_py())

    return Signer(algorithm=algorithm, jwk=jwk, sign=sign)
