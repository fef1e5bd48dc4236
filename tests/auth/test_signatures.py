"""Every signature scheme, the published ones and the attacks, on both adapters of the Crypto port: the verdicts are the
same on `cryptography` and on WebCrypto."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from local import toolchain
from local.mocks.issuer import SigningKey
from local.runtime.crypto import LocalCrypto
from lumigate.auth import base64url
from lumigate.auth.algorithms import ALGORITHMS
from tests.auth.vectors import PUBLISHED
from tests.pyodide.runner import PyodideHost

ROOT = Path(__file__).resolve().parents[2]
MESSAGE = b"header.payload"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A key, a signature, and what both adapters must say of it: `good`, `bad` or `no key`."""

    name: str
    jwk: dict[str, Any]
    algorithm: str
    signature: bytes
    message: bytes = MESSAGE
    verdict: str


KEYS = {name: SigningKey.generate(name) for name in ALGORITHMS}
RSA_PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def case(name: str, verdict: str, algorithm: str, signature: bytes | None = None, **members: Any) -> Case:
    key = KEYS[algorithm]
    jwk = {member: value for member, value in (key.jwk | members).items() if value is not None}
    signature = key.sign(MESSAGE) if signature is None else signature
    return Case(name=name, jwk=jwk, algorithm=algorithm, signature=signature, verdict=verdict)


def published() -> Iterator[Case]:
    for name, (algorithm, jwk, compact) in PUBLISHED.items():
        message, _, text = compact.rpartition(".")
        signature, signed = base64url.decode(text), message.encode()
        yield Case(
            name=name, jwk=jwk, algorithm=algorithm, signature=signature, message=signed, verdict="good"
        )
        yield Case(
            name=f"{name}, another message",
            jwk=jwk,
            algorithm=algorithm,
            signature=signature,
            message=signed[:-1] + b"x",
            verdict="bad",
        )


def every_algorithm() -> Iterator[Case]:
    for name, key in KEYS.items():
        signature = key.sign(MESSAGE)
        yield case(f"{name}", "good", name)
        yield case(f"{name} without alg, use and key_ops", "good", name, alg=None, use=None)
        yield case(f"{name} with key_ops", "good", name, key_ops=["verify"])
        for label, changed in {
            "empty": b"",
            "zeros": bytes(len(signature)),
            "ones": b"\xff" * len(signature),
            "one bit": bytes([signature[0] ^ 1]) + signature[1:],
            "last bit": signature[:-1] + bytes([signature[-1] ^ 1]),
            "cut": signature[:-1],
            "longer": signature + b"\0",
            "a zero before": b"\0" + signature,
            "twice": signature * 2,
            "of another key": SigningKey.generate(name).sign(MESSAGE),
        }.items():
            yield case(f"{name}, {label}", "bad", name, changed)
        wrong_members: dict[str, dict[str, Any]] = {
            "for encryption": {"use": "enc"},
            "for signing": {"key_ops": ["sign"]},
            "of another algorithm": {"alg": "RS512" if name != "RS512" else "RS256"},
            "of another type": {"kty": "oct"},
            "with a secret beside it": {"k": "c2VjcmV0"},
            "with its private part": {"d": "AQAB"},
            "with a number for a text": {key_member(name): 5},
            "with padding": {key_member(name): key.jwk[key_member(name)] + "="},
            "with nothing in it": {key_member(name): ""},
        }
        for label, members in wrong_members.items():
            yield case(f"{name}, a key {label}", "no key", name, **members)


def key_member(algorithm: str) -> str:
    return "n" if ALGORITHMS[algorithm].key_type == "RSA" else "x"


def rsa_attacks() -> Iterator[Case]:
    digest = hashes.SHA256()
    pkcs1, pss = KEYS["RS256"], KEYS["PS256"]
    yield case("RS256 read as PS256", "bad", "PS256", pkcs1.sign(MESSAGE))
    yield case("PS256 read as RS256", "bad", "RS256", pss.sign(MESSAGE))
    sister = SigningKey(pss._private, "RS256")
    yield case("PS256 with the PKCS #1 signature of its own key", "bad", "PS256", sister.sign(MESSAGE))
    yield case(
        "RS256 with the RS512 signature of its own key",
        "bad",
        "RS256",
        SigningKey(pkcs1._private, "RS512").sign(MESSAGE),
    )
    for salt in (0, 20, 31, 33, padding.PSS.MAX_LENGTH):
        scheme = padding.PSS(padding.MGF1(digest), salt)
        private = pss._private
        assert isinstance(private, rsa.RSAPrivateKey)
        signature = private.sign(MESSAGE, scheme, digest)
        yield case(f"PS256 with a salt of {salt} bytes", "bad", "PS256", signature)
    modulus = int.from_bytes(base64url.decode(pkcs1.jwk["n"]), "big")
    # With an exponent of 1 the signature is the padded digest itself, which anyone can write.
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    hasher = hashes.Hash(digest)
    hasher.update(MESSAGE)
    tail = b"\0" + info + hasher.finalize()
    forged = b"\0\1" + b"\xff" * (256 - 2 - len(tail)) + tail
    for exponent in (0, 1, 2, 3, 17, 65536, 65538, 2**32 + 1, 2**64 + 1, 2**2040 + 1):
        e = base64url.encode(exponent.to_bytes(max(1, (exponent.bit_length() + 7) // 8), "big"))
        yield case(
            f"RS256 with an exponent of {exponent.bit_length()} bits ending in {exponent % 1000}",
            "no key",
            "RS256",
            forged,
            e=e,
        )
    yield case("RS256 with the padded digest for a signature", "bad", "RS256", forged)
    for bits in (512, 1024, 2047, 8193, 16384):
        n = base64url.encode((2**bits - 1).to_bytes((bits + 7) // 8, "big"))
        yield case(f"RS256 with a key of {bits} bits", "no key", "RS256", n=n)
    yield case("RS256 with an even modulus", "no key", "RS256", n=_number(modulus + 1))
    yield case("RS256, the modulus with a zero octet in front", "good", "RS256", n=_number(modulus, 257))
    yield case("RS256, s + n for s", "bad", "RS256", _plus_modulus(pkcs1.sign(MESSAGE), modulus))
    wide = SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=3072), "RS384")
    yield Case(
        name="RS384 with 3072 bits",
        jwk=wide.jwk,
        algorithm="RS384",
        signature=wide.sign(MESSAGE),
        verdict="good",
    )


def _number(value: int, size: int = 256) -> str:
    return base64url.encode(value.to_bytes(size, "big"))


def _plus_modulus(signature: bytes, modulus: int) -> bytes:
    total = int.from_bytes(signature, "big") + modulus
    return total.to_bytes((total.bit_length() + 7) // 8, "big")


def curve_attacks() -> Iterator[Case]:
    signature = KEYS["ES256"].sign(MESSAGE)
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))

    def raw(first: int, second: int) -> bytes:
        return first.to_bytes(32, "big") + second.to_bytes(32, "big")

    # CVE-2022-21449: r = s = 0 held for every message and key.
    for label, forged in {
        "r = s = 0": raw(0, 0),
        "r = 0": raw(0, s),
        "s = 0": raw(r, 0),
        "r = n": raw(P256_ORDER, s),
        "s = n": raw(r, P256_ORDER),
        "r = s = n": raw(P256_ORDER, P256_ORDER),
        "r = s = 1": raw(1, 1),
        "r and s in turn": raw(s, r),
        "DER": encode_dss_signature(r, s),
        "DER of zeros": encode_dss_signature(0, 0),
        "DER, filled up": encode_dss_signature(1, 1).ljust(64, b"\0"),
    }.items():
        yield case(f"ES256 with {label}", "bad", "ES256", forged)
    yield case(
        "ES256 with -s, which is as good (RFC 7518 does not forbid it)",
        "good",
        "ES256",
        raw(r, P256_ORDER - s),
    )
    other = KEYS["ES384"].jwk
    yield case("ES256 with a key of P-384", "no key", "ES256", crv="P-384", x=other["x"], y=other["y"])
    yield case("ES256 with P-384 coordinates", "no key", "ES256", x=other["x"], y=other["y"])
    yield case("ES384 named P-256", "no key", "ES384", crv="P-256")
    yield case("ES256 on secp256k1", "no key", "ES256", crv="secp256k1")
    yield case("ES256 off the curve", "no key", "ES256", x=base64url.encode(bytes(31) + b"\1"))
    yield case("ES256 at zero", "no key", "ES256", x=_coordinate(0), y=_coordinate(0))
    yield case("ES256 with a short coordinate", "no key", "ES256", x=base64url.encode(bytes(31)))
    yield case("ES256 with a long coordinate", "no key", "ES256", x=base64url.encode(b"\0" + bytes(32)))
    yield case("ES256 without y", "no key", "ES256", y=None)


def _coordinate(value: int) -> str:
    return base64url.encode(value.to_bytes(32, "big"))


def edwards_attacks() -> Iterator[Case]:
    signature = KEYS["EdDSA"].sign(MESSAGE)
    s = int.from_bytes(signature[32:], "little")
    # RFC 8032, section 5.1.7: s + L is another spelling of the same signature.
    yield case(
        "EdDSA with s + L", "bad", "EdDSA", signature[:32] + (s + ED25519_ORDER).to_bytes(32, "little")
    )
    yield case("EdDSA with s of ones", "bad", "EdDSA", signature[:32] + b"\xff" * 32)
    identity = b"\1" + bytes(31)
    prime = 2**255 - 19
    small = {
        "the identity": identity,
        "the identity with a sign": b"\1" + bytes(30) + b"\x80",
        "order 2": (prime - 1).to_bytes(32, "little"),
        "order 4": bytes(32),
        "order 8": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        "another of order 8": bytes.fromhex(
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
        ),
        "p": prime.to_bytes(32, "little"),
        "p + 1": (prime + 1).to_bytes(32, "little"),
    }
    for label, point in small.items():
        # A signature that holds for every message under the identity as a key: R = 0 B + identity, s = 0.
        x = base64url.encode(point)
        yield case(f"EdDSA with a key that is {label}", "no key", "EdDSA", identity + bytes(32), x=x)
    yield case("EdDSA with R and s of nothing", "bad", "EdDSA", identity + bytes(32))
    yield case("EdDSA with a key of 31 bytes", "no key", "EdDSA", x=base64url.encode(bytes(31)))
    yield case("EdDSA with X25519", "no key", "EdDSA", crv="X25519")
    yield case("EdDSA with Ed448", "no key", "EdDSA", crv="Ed448")


def confusions() -> Iterator[Case]:
    """The algorithm is the setting's: a key of another kind, or none at all, is no key for it."""
    for algorithm in ("HS256", "none", "", "RSA-OAEP", "rs256", "EdDSA ", "ES256K"):
        yield Case(
            name=f"a key for {algorithm!r}",
            jwk=KEYS["RS256"].jwk | {"alg": algorithm},
            algorithm=algorithm,
            signature=b"",
            verdict="no key",
        )
    for wanted in ("RS256", "ES256", "EdDSA"):
        for given in ("RS256", "ES256", "EdDSA"):
            if wanted != given:
                jwk = {name: value for name, value in KEYS[given].jwk.items() if name != "alg"}
                yield Case(
                    name=f"a key of {given} for {wanted}",
                    jwk=jwk,
                    algorithm=wanted,
                    signature=KEYS[given].sign(MESSAGE),
                    verdict="no key",
                )
    yield Case(
        name="a secret", jwk={"kty": "oct", "k": "AQAB"}, algorithm="RS256", signature=b"", verdict="no key"
    )
    yield Case(name="nothing", jwk={}, algorithm="RS256", signature=b"", verdict="no key")


CASES = [
    *published(),
    *every_algorithm(),
    *rsa_attacks(),
    *curve_attacks(),
    *edwards_attacks(),
    *confusions(),
]


def test_the_cases_have_names_of_their_own() -> None:
    assert len({entry.name for entry in CASES}) == len(CASES)
    verdicts = {entry.verdict for entry in CASES}
    assert verdicts == {"good", "bad", "no key"}
    assert {entry.algorithm for entry in CASES if entry.verdict == "good"} == set(ALGORITHMS)


@pytest.mark.parametrize("entry", CASES, ids=lambda entry: entry.name)
async def test_cryptography_says(entry: Case) -> None:
    crypto = LocalCrypto()
    try:
        key = await crypto.import_key(entry.jwk, entry.algorithm)
    except ValueError:
        assert entry.verdict == "no key"
        return
    verdict = "good" if await crypto.verify(key, entry.signature, entry.message) else "bad"
    assert verdict == entry.verdict


@pytest.fixture(scope="module")
def webcrypto_on_pyodide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[str]]:
    """What the adapter for Workers says of each case."""
    source = tmp_path_factory.mktemp("worker")
    shutil.copytree(
        ROOT / "src" / "lumigate", source / "lumigate", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(Path(__file__).parent / "workers" / "verify.py", source)
    body = [
        {
            "jwk": entry.jwk,
            "algorithm": entry.algorithm,
            "signature": base64.b64encode(entry.signature).decode(),
            "message": base64.b64encode(entry.message).decode(),
        }
        for entry in CASES
    ]
    with PyodideHost(
        node=toolchain.node(),
        pyodide=toolchain.pyodide(),
        modules=toolchain.python_modules(),
        src=source,
        main="verify.py",
    ) as host:
        verdicts: list[str] = httpx.post(host.url, json=body, timeout=60).raise_for_status().json()
        yield verdicts


@pytest.mark.parametrize("number", range(len(CASES)), ids=[entry.name for entry in CASES])
def test_webcrypto_says(webcrypto_on_pyodide: Sequence[str], number: int) -> None:
    assert webcrypto_on_pyodide[number] == CASES[number].verdict


def test_a_key_of_the_mock_issuer_is_what_it_says() -> None:
    """So that a good verdict above says something of each algorithm."""
    for name, key in KEYS.items():
        wanted = ALGORITHMS[name]
        assert (key.jwk["kty"], key.jwk.get("crv", "")) == (wanted.key_type, wanted.curve)
        assert len(key.sign(MESSAGE)) == (wanted.signature_bytes or 256)
    assert isinstance(KEYS["ES512"]._private, ec.EllipticCurvePrivateKey)
