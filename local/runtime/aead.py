"""AES-256-GCM with `cryptography`."""

from __future__ import annotations

import functools

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lumigate.privacy.sealing import AeadRejected


class LocalAead:
    """The `Aead` port. Stored values are small, so the work is done on the loop's thread."""

    async def encrypt(self, key: bytes, *, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        return _cipher(key).encrypt(nonce, plaintext, associated_data)

    async def decrypt(self, key: bytes, *, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        try:
            return _cipher(key).decrypt(nonce, ciphertext, associated_data)
        except InvalidTag:
            raise AeadRejected from None


@functools.lru_cache(maxsize=32)
def _cipher(key: bytes) -> AESGCM:
    """Making one costs more than sealing a small value with it."""
    return AESGCM(key)
