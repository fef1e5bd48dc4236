"""The signature algorithms of JOSE that there are here (RFC 7518, section 3.1; RFC 8037). Pure.

Asymmetric ones only: with HMAC an issuer's public key would be a secret that everyone knows, and `none` is no
signature. A table, so that a check never asks the token what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """What a key and a signature must be. `hash` is WebCrypto's name; empty where the scheme has its own."""

    name: str
    key_type: str
    scheme: str
    hash: str = ""
    curve: str = ""
    coordinate_bytes: int = 0
    """Of each public coordinate; a signature has two of them. 0 for RSA, whose keys say it themselves."""

    @property
    def signature_bytes(self) -> int:
        """The only length a signature has; 0 where the key says it."""
        return 2 * self.coordinate_bytes


RSASSA, PSS, ECDSA, EDDSA = "RSASSA-PKCS1-v1_5", "RSA-PSS", "ECDSA", "Ed25519"

ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        *(
            Algorithm(name=f"{prefix}{bits}", key_type="RSA", scheme=scheme, hash=f"SHA-{bits}")
            for prefix, scheme in (("RS", RSASSA), ("PS", PSS))
            for bits in (256, 384, 512)
        ),
        *(
            Algorithm(
                name=f"ES{bits}",
                key_type="EC",
                scheme=ECDSA,
                hash=f"SHA-{bits}",
                curve=curve,
                coordinate_bytes=size,
            )
            for bits, curve, size in ((256, "P-256", 32), (384, "P-384", 48), (512, "P-521", 66))
        ),
        Algorithm(name="EdDSA", key_type="OKP", scheme=EDDSA, curve="Ed25519", coordinate_bytes=32),
    )
}
