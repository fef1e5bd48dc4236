"""Signature checks by WebCrypto (https://www.w3.org/TR/webcrypto/, section 14.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import js
from pyodide.ffi import JsException, to_js

_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "RS256": {"name": "RSASSA-PKCS1-v1_5", "hash": "SHA-256"},
}
_KEY_TYPES = {"RS256": "RSA"}
_PUBLIC_MEMBERS = ("kty", "n", "e")
_MIN_RSA_BITS = 2048


class WorkersCrypto:
    """The `Crypto` port. A `CryptoKey` is data, so it may be kept beyond the request that imported it."""

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> Any:
        if jwk.get("kty") != _KEY_TYPES[algorithm]:
            raise ValueError(f"a key of type {jwk.get('kty')!r} does not fit {algorithm}")
        # Public members only: `use`, `key_ops` and `alg` were judged by the caller, and a private part must not enter.
        public = {name: jwk[name] for name in _PUBLIC_MEMBERS if isinstance(jwk.get(name), str)}
        try:
            key = await js.crypto.subtle.importKey(
                "jwk", _object(public), _object(_PARAMETERS[algorithm]), False, to_js(["verify"])
            )
        except JsException as error:
            raise ValueError(f"not a key for {algorithm}: {error.name}") from None
        if int(key.algorithm.modulusLength) < _MIN_RSA_BITS:
            raise ValueError("an RSA key under 2048 bits (RFC 7518, section 3.3)")
        return key

    async def verify(self, key: Any, signature: bytes, message: bytes) -> bool:
        # For RSASSA-PKCS1-v1_5 the key itself carries the hash.
        return bool(await js.crypto.subtle.verify("RSASSA-PKCS1-v1_5", key, to_js(signature), to_js(message)))


def _object(mapping: Mapping[str, Any]) -> Any:
    return to_js(dict(mapping), dict_converter=js.Object.fromEntries)
