"""AES-256-GCM with `cryptography`."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lumigate.privacy.sealing import AeadRejected


class LocalAead:
    """The `Aead` port. Stored values are small, so the work is done on the loop's thread."""

    async def encrypt(self, key: bytes, *, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        return AESGCM(key).encrypt(nonce, plaintext, associated_data)

    async def decrypt(self, key: bytes, *, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, associated_data)
        except InvalidTag:
            raise AeadRejected from None
