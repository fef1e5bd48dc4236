"""Signature checks by WebCrypto (https://www.w3.org/TR/webcrypto-2/), which takes signatures as JOSE writes them.

`CryptoKey`s and the objects of parameters are data, so they may be kept beyond the request that made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from lumigate.auth.algorithms import ALGORITHMS, ECDSA, EDDSA, PSS, RSASSA, Algorithm
from lumigate.auth.jwk import public_members


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersVerifyKey:
    """A key bound to its one algorithm; `parameters` is what `verify` is told beside it."""

    key: Any
    parameters: Any
    signature_bytes: int


class WorkersCrypto:
    """The `Crypto` port."""

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> WorkersVerifyKey:
        public = public_members(jwk, algorithm)
        wanted = ALGORITHMS[algorithm]
        try:
            key = await js.crypto.subtle.importKey(
                "jwk", _object(public), _import_parameters(wanted), False, to_js(["verify"])
            )
        except JsException as error:
            raise ValueError(f"not a key for {algorithm}: {error.name}") from None
        size = wanted.signature_bytes or (int(key.algorithm.modulusLength) + 7) // 8
        return WorkersVerifyKey(key=key, parameters=_verify_parameters(wanted), signature_bytes=size)

    async def verify(self, key: Any, signature: bytes, message: bytes) -> bool:
        # The length is compared here because hosts differ: some take an ECDSA signature in DER as well.
        if len(signature) != key.signature_bytes:
            return False
        try:
            return bool(
                await js.crypto.subtle.verify(key.parameters, key.key, to_js(signature), to_js(message))
            )
        except JsException:
            return False


def _import_parameters(algorithm: Algorithm) -> Any:
    if algorithm.scheme == EDDSA:
        return EDDSA
    if algorithm.scheme == ECDSA:
        return _object({"name": ECDSA, "namedCurve": algorithm.curve})
    return _object({"name": algorithm.scheme, "hash": algorithm.hash})


def _verify_parameters(algorithm: Algorithm) -> Any:
    """For RSA the key itself carries the hash; the salt is as long as the hash (RFC 7518, section 3.5)."""
    if algorithm.scheme in (EDDSA, RSASSA):
        return algorithm.scheme
    if algorithm.scheme == PSS:
        return _object({"name": PSS, "saltLength": int(algorithm.hash.removeprefix("SHA-")) // 8})
    return _object({"name": ECDSA, "hash": algorithm.hash})


def _object(mapping: Mapping[str, Any]) -> Any:
    return to_js(dict(mapping), dict_converter=js.Object.fromEntries)
