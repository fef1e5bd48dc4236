"""AES-256-GCM by WebCrypto (https://www.w3.org/TR/webcrypto/, section 29)."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsException, to_js

from lumigate.privacy.sealing import AeadRejected

_MAX_KEYS = 32


class WorkersAead:
    """The `Aead` port. A `CryptoKey` is data, so one that was imported serves later requests as well."""

    def __init__(self) -> None:
        self._imported: dict[tuple[bytes, str], Any] = {}

    async def encrypt(self, key: bytes, *, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        parameters = _parameters(nonce, associated_data)
        sealed = await js.crypto.subtle.encrypt(
            parameters, await self._import(key, "encrypt"), to_js(plaintext)
        )
        return bytes(sealed.to_bytes())

    async def decrypt(self, key: bytes, *, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        parameters = _parameters(nonce, associated_data)
        try:
            opened = await js.crypto.subtle.decrypt(
                parameters, await self._import(key, "decrypt"), to_js(ciphertext)
            )
        except JsException:  # an OperationError: the tag does not hold
            raise AeadRejected from None
        return bytes(opened.to_bytes())

    async def _import(self, key: bytes, usage: str) -> Any:
        imported = self._imported.get((key, usage))
        if imported is None:
            imported = await js.crypto.subtle.importKey("raw", to_js(key), "AES-GCM", False, to_js([usage]))
            if len(self._imported) < _MAX_KEYS:
                self._imported[key, usage] = imported
        return imported


def _parameters(nonce: bytes, associated_data: bytes) -> Any:
    content = {"name": "AES-GCM", "iv": nonce, "additionalData": associated_data, "tagLength": 128}
    return to_js(content, dict_converter=js.Object.fromEntries)
