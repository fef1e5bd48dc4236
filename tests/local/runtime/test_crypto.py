from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from local.mocks.issuer import SigningKey, encode
from local.runtime.crypto import LocalCrypto

MESSAGE = b"header.payload"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
DIGESTS = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "256": ("P-256", ec.SECP256R1()),
    "384": ("P-384", ec.SECP384R1()),
    "512": ("P-521", ec.SECP521R1()),
}


def signed(algorithm: str) -> tuple[dict[str, Any], bytes]:
    """A public JWK and a signature over MESSAGE, made independently of the code under test."""
    family, size = algorithm[:2], algorithm[2:]
    if family == "RS":
        return SigningKey(RSA_KEY).jwk | {"alg": algorithm}, RSA_KEY.sign(
            MESSAGE, padding.PKCS1v15(), DIGESTS[size]
        )
    if family == "PS":
        digest = DIGESTS[size]
        scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return SigningKey(RSA_KEY).jwk | {"alg": algorithm}, RSA_KEY.sign(MESSAGE, scheme, digest)
    if family == "ES":
        name, curve = CURVES[size]
        key = ec.generate_private_key(curve)
        width = (curve.key_size + 7) // 8
        numbers = key.public_key().public_numbers()
        r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(DIGESTS[size])))
        jwk = {
            "kty": "EC",
            "crv": name,
            "x": encode(numbers.x.to_bytes(width, "big")),
            "y": encode(numbers.y.to_bytes(width, "big")),
        }
        return jwk, r.to_bytes(width, "big") + s.to_bytes(width, "big")
    edwards = ed25519.Ed25519PrivateKey.generate()
    public = edwards.public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": encode(public)}, edwards.sign(MESSAGE)


ALGORITHMS = [f"{family}{size}" for family in ("RS", "PS", "ES") for size in DIGESTS] + ["EdDSA"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_good_signature_is_accepted_and_any_other_refused(algorithm: str) -> None:
    jwk, signature = signed(algorithm)
    crypto = LocalCrypto()
    key = await crypto.import_key(jwk, algorithm)
    assert await crypto.verify(key, signature, MESSAGE)
    assert not await crypto.verify(key, signature, MESSAGE + b"x")
    assert not await crypto.verify(key, bytes(len(signature)), MESSAGE)
    assert not await crypto.verify(key, signature[:-1], MESSAGE)
    assert not await crypto.verify(key, b"", MESSAGE)


async def test_a_signature_of_the_sister_algorithm_is_refused() -> None:
    crypto = LocalCrypto()
    jwk, signature = signed("PS256")
    key = await crypto.import_key({**jwk, "alg": "RS256"}, "RS256")
    assert not await crypto.verify(key, signature, MESSAGE)


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        ({}, "RS256"),
        ({"kty": "RSA", "n": "AQAB"}, "RS256"),
        ({"kty": "RSA", "n": "a b", "e": "AQAB"}, "RS256"),
        ({"kty": "RSA", "n": 5, "e": "AQAB"}, "RS256"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "RS256"),
        ({"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"}, "ES256"),
        ({"kty": "EC", "crv": "P-384", "x": "AQAB", "y": "AQAB"}, "ES256"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}, "EdDSA"),
        ({"kty": "oct", "k": "AQAB"}, "HS256"),
        ({"kty": "oct", "k": "AQAB"}, "none"),
    ],
)
async def test_what_is_no_key_for_the_algorithm_is_a_value_error(jwk: dict[str, Any], algorithm: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        await LocalCrypto().import_key(jwk, algorithm)


async def test_a_key_that_names_another_algorithm_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="RS512"):
        await LocalCrypto().import_key(SigningKey(RSA_KEY).jwk | {"alg": "RS512"}, "RS256")


async def test_an_rsa_key_under_2048_bits_is_a_value_error() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is the point
    with pytest.raises(ValueError, match="1024 bits"):
        await LocalCrypto().import_key(SigningKey(weak).jwk, "RS256")


def test_the_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    """The example of section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnY"
        "b9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0"
        "Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    number = int.from_bytes(base64.urlsafe_b64decode(modulus + "=="), "big")

    class Public:
        def public_key(self) -> rsa.RSAPublicKey:
            return rsa.RSAPublicNumbers(65537, number).public_key()

    key = SigningKey(Public())
    assert key.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
