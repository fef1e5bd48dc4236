"""Public keys as JSON Web Keys (RFC 7517; RFC 7518, section 6; RFC 8037), checked before any crypto library sees one.

Both adapters of the Crypto port take their key from `public_members`, so that a key is good or bad in both alike: what
fits is decided here, and only whether a point lies on its curve is left to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lumigate.auth import base64url
from lumigate.auth.algorithms import ALGORITHMS, Algorithm

MIN_RSA_BITS: Final = 2048  # RFC 7518, section 3.3
MAX_RSA_BITS: Final = 8192
"""A check takes time with the square of it."""
MIN_EXPONENT: Final = 65537
MAX_EXPONENT: Final = (1 << 32) - 1
"""With an exponent of 1 every message is its own signature, and small ones forgive bad padding; large ones are slow."""

_PRIVATE_MEMBERS: Final = ("k", "d", "p", "q", "dp", "dq", "qi", "oth")
_ED25519_PRIME: Final = 2**255 - 19
_ORDER_EIGHT_Y: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y: Final = frozenset({0, 1, _ED25519_PRIME - 1, _ORDER_EIGHT_Y, _ED25519_PRIME - _ORDER_EIGHT_Y})
"""A key of small order accepts signatures that nobody made (https://eprint.iacr.org/2020/1244)."""


def public_members(jwk: Mapping[str, Any], algorithm: str) -> dict[str, str]:
    """The members that make the key, and no others. Raises `ValueError` if it is none for `algorithm`."""
    wanted = ALGORITHMS.get(algorithm)
    if wanted is None:
        raise ValueError(f"unknown algorithm {algorithm!r}")
    if not fits(jwk, wanted):
        raise ValueError(
            f"a key of type {_shown(jwk, 'kty')}, for {_shown(jwk, 'alg')}, is not for {algorithm}"
        )
    if wanted.key_type == "RSA":
        return _rsa(jwk)
    members = ("x",) if wanted.key_type == "OKP" else ("x", "y")
    for name in members:
        if len(_decode(jwk, name)) != wanted.coordinate_bytes:
            raise ValueError(f"{name!r} is not of {wanted.coordinate_bytes} bytes")
    if wanted.key_type == "OKP" and _is_of_small_order(_decode(jwk, "x")):
        raise ValueError("'x' is a point of small order")
    return {"kty": wanted.key_type, "crv": wanted.curve, **{name: jwk[name] for name in members}}


def fits(jwk: Mapping[str, Any], algorithm: Algorithm) -> bool:
    """Whether the key says that it is a public one, for checking signatures of that algorithm."""
    operations = jwk.get("key_ops")
    return (
        jwk.get("kty") == algorithm.key_type
        and (not algorithm.curve or jwk.get("crv") == algorithm.curve)
        and jwk.get("alg", algorithm.name) == algorithm.name
        and jwk.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and not any(member in jwk for member in _PRIVATE_MEMBERS)
    )


def _rsa(jwk: Mapping[str, Any]) -> dict[str, str]:
    modulus = int.from_bytes(_decode(jwk, "n"), "big")
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise ValueError(f"an RSA key of {bits} bits: {MIN_RSA_BITS} to {MAX_RSA_BITS} are taken")
    exponent = int.from_bytes(_decode(jwk, "e"), "big")
    if not MIN_EXPONENT <= exponent <= MAX_EXPONENT or not exponent & 1 or not modulus & 1:
        raise ValueError("an RSA key whose exponent or modulus no honest issuer has")
    # Written anew: some issuers put a zero octet in front (RFC 7518, section 6.3.1.1), which WebCrypto may not take.
    return {"kty": "RSA", "n": _encode(modulus), "e": _encode(exponent)}


def _is_of_small_order(point: bytes) -> bool:
    return (int.from_bytes(point, "little") & ((1 << 255) - 1)) % _ED25519_PRIME in _SMALL_ORDER_Y


def _decode(jwk: Mapping[str, Any], member: str) -> bytes:
    text = jwk.get(member)
    if not isinstance(text, str) or not 0 < len(text) <= 2 * MAX_RSA_BITS // 8:
        raise ValueError(f"{member!r} is missing or too long")
    try:
        return base64url.decode(text)
    except ValueError:
        raise ValueError(f"{member!r} is not base64url") from None


def _encode(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _shown(jwk: Mapping[str, Any], member: str) -> str:
    return repr(jwk.get(member))[:40]
