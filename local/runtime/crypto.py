"""Signature checks with `cryptography`, by the table of JOSE's algorithms (RFC 7518, section 3.1; RFC 8037).

Signatures are as JOSE writes them, and WebCrypto too: for ES* that is r || s, not DER.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lumigate.ports import VerifyKey

type Check = Callable[[bytes, bytes], None]
"""Takes a signature and a message; raises `InvalidSignature` or `ValueError` where they do not match."""

_MINIMUM_RSA_BITS = 2048  # RFC 7518, section 3.3


@dataclass(frozen=True, slots=True)
class LocalVerifyKey:
    """A public key bound to its one algorithm."""

    algorithm: str
    check: Check


def _rsa_numbers(jwk: Mapping[str, Any]) -> rsa.RSAPublicKey:
    _expect(jwk, "kty", "RSA")
    key = rsa.RSAPublicNumbers(e=_integer(jwk, "e"), n=_integer(jwk, "n")).public_key()
    if key.key_size < _MINIMUM_RSA_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits is too short")
    return key


def _pkcs1(digest: hashes.HashAlgorithm) -> Callable[[Mapping[str, Any]], Check]:
    def build(jwk: Mapping[str, Any]) -> Check:
        key = _rsa_numbers(jwk)
        return lambda signature, message: key.verify(signature, message, padding.PKCS1v15(), digest)

    return build


def _pss(digest: hashes.HashAlgorithm) -> Callable[[Mapping[str, Any]], Check]:
    scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)

    def build(jwk: Mapping[str, Any]) -> Check:
        key = _rsa_numbers(jwk)
        return lambda signature, message: key.verify(signature, message, scheme, digest)

    return build


def _ecdsa(
    name: str, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm
) -> Callable[[Mapping[str, Any]], Check]:
    size = (curve.key_size + 7) // 8

    def build(jwk: Mapping[str, Any]) -> Check:
        _expect(jwk, "kty", "EC")
        _expect(jwk, "crv", name)
        key = ec.EllipticCurvePublicNumbers(_integer(jwk, "x"), _integer(jwk, "y"), curve).public_key()

        def check(signature: bytes, message: bytes) -> None:
            if len(signature) != 2 * size:
                raise InvalidSignature
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))

        return check

    return build


def _eddsa(jwk: Mapping[str, Any]) -> Check:
    _expect(jwk, "kty", "OKP")
    _expect(jwk, "crv", "Ed25519")
    return ed25519.Ed25519PublicKey.from_public_bytes(_decode(jwk, "x")).verify


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Check]] = {
    "RS256": _pkcs1(hashes.SHA256()),
    "RS384": _pkcs1(hashes.SHA384()),
    "RS512": _pkcs1(hashes.SHA512()),
    "PS256": _pss(hashes.SHA256()),
    "PS384": _pss(hashes.SHA384()),
    "PS512": _pss(hashes.SHA512()),
    "ES256": _ecdsa("P-256", ec.SECP256R1(), hashes.SHA256()),
    "ES384": _ecdsa("P-384", ec.SECP384R1(), hashes.SHA384()),
    "ES512": _ecdsa("P-521", ec.SECP521R1(), hashes.SHA512()),
    "EdDSA": _eddsa,
}


class LocalCrypto:
    """The adapter. A check takes 30-200 us (see `bench`), so it runs on the loop's own thread."""

    __slots__ = ()

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> LocalVerifyKey:
        if (build := _BUILDERS.get(algorithm)) is None:
            raise ValueError(f"unknown algorithm {algorithm!r}")
        if jwk.get("alg", algorithm) != algorithm:
            raise ValueError(f"the key is for {jwk['alg']!r}, not {algorithm!r}")
        return LocalVerifyKey(algorithm, build(jwk))

    async def verify(self, key: VerifyKey, signature: bytes, message: bytes) -> bool:
        assert isinstance(key, LocalVerifyKey)
        try:
            key.check(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def _expect(jwk: Mapping[str, Any], member: str, value: str) -> None:
    if jwk.get(member) != value:
        raise ValueError(f"{member!r} is not {value!r}")


def _integer(jwk: Mapping[str, Any], member: str) -> int:
    return int.from_bytes(_decode(jwk, member), "big")


def _decode(jwk: Mapping[str, Any], member: str) -> bytes:
    text = jwk.get(member)
    if not isinstance(text, str) or not text:
        raise ValueError(f"{member!r} is missing")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{member!r} is not base64url") from None
