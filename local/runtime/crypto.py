"""Signature checks with `cryptography`, by the table of JOSE's algorithms (RFC 7518, section 3.1; RFC 8037).

Signatures are as JOSE writes them, and WebCrypto too: for ES* that is r || s, not DER.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lumigate.auth import base64url
from lumigate.auth.algorithms import ALGORITHMS, ECDSA, EDDSA, PSS, RSASSA, Algorithm
from lumigate.auth.jwk import public_members
from lumigate.ports import VerifyKey

type Check = Callable[[bytes, bytes], None]
"""Takes a signature and a message; raises `InvalidSignature` or `ValueError` where they do not match."""

_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


@dataclass(frozen=True, slots=True)
class LocalVerifyKey:
    """A public key bound to its one algorithm."""

    algorithm: str
    check: Check


def _rsa_key(jwk: Mapping[str, str]) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(e=_integer(jwk["e"]), n=_integer(jwk["n"])).public_key()


def _pkcs1(jwk: Mapping[str, str], algorithm: Algorithm) -> Check:
    key, digest = _rsa_key(jwk), _DIGESTS[algorithm.hash]
    return lambda signature, message: key.verify(signature, message, padding.PKCS1v15(), digest)


def _pss(jwk: Mapping[str, str], algorithm: Algorithm) -> Check:
    key, digest = _rsa_key(jwk), _DIGESTS[algorithm.hash]
    scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    return lambda signature, message: key.verify(signature, message, scheme, digest)


def _ecdsa(jwk: Mapping[str, str], algorithm: Algorithm) -> Check:
    size, scheme = algorithm.coordinate_bytes, ec.ECDSA(_DIGESTS[algorithm.hash])
    numbers = ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), _CURVES[algorithm.curve])
    key = numbers.public_key()

    def check(signature: bytes, message: bytes) -> None:
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        key.verify(encode_dss_signature(r, s), message, scheme)

    return check


def _eddsa(jwk: Mapping[str, str], algorithm: Algorithm) -> Check:
    return ed25519.Ed25519PublicKey.from_public_bytes(base64url.decode(jwk["x"])).verify


_BUILDERS: Mapping[str, Callable[[Mapping[str, str], Algorithm], Check]] = {
    RSASSA: _pkcs1,
    PSS: _pss,
    ECDSA: _ecdsa,
    EDDSA: _eddsa,
}


class LocalCrypto:
    """The adapter. A check takes 30-200 us (see `bench`), so it runs on the loop's own thread."""

    __slots__ = ()

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> LocalVerifyKey:
        public = public_members(jwk, algorithm)
        wanted = ALGORITHMS[algorithm]
        try:
            return LocalVerifyKey(algorithm, _BUILDERS[wanted.scheme](public, wanted))
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from None

    async def verify(self, key: VerifyKey, signature: bytes, message: bytes) -> bool:
        assert isinstance(key, LocalVerifyKey)
        try:
            key.check(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def _integer(text: str) -> int:
    return int.from_bytes(base64url.decode(text), "big")
