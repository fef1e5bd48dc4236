"""Compact JSON Web Signatures, taken apart strictly (RFC 7515; claims RFC 7519; RFC 8725). Pure: no keys, no I/O.

The algorithm is one that settings allow, never the token's own choice; a token that carries or points to its own key
(`jwk`, `jku`, `x5u`, `x5c`), asks for extensions we do not know (`crit`; there is none that we do), is encrypted or
compressed, or has a member twice is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lumigate import strict_json
from lumigate.auth import base64url
from lumigate.auth.algorithms import ALGORITHMS
from lumigate.errors import Unauthenticated

MAX_TOKEN_CHARS = 8192
MAX_HEADER_CHARS = 2048
MAX_KEY_ID_CHARS = 256
_FORBIDDEN_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip"})
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A well-formed token whose signature has not been checked. `signed` is what the signature covers.

    `type` is the header's `typ` in lower case and without `application/`; None if it has none.
    """

    algorithm: str
    key_id: str
    type: str | None
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def looks_like_jws(text: str) -> bool:
    """Whether a bearer credential is meant to be a token rather than an API key."""
    return text.count(".") == 2


def parse(text: str, algorithms: Collection[str]) -> Token:
    """Take a compact token apart. Raises `Unauthenticated` (malformed, unsupported_algorithm, bad_signature)."""
    if len(text) > MAX_TOKEN_CHARS or not _COMPACT.fullmatch(text):
        raise Unauthenticated("malformed")
    head, payload, last = text.split(".")
    if len(head) > MAX_HEADER_CHARS:
        raise Unauthenticated("malformed")
    header = _json_object(head)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise Unauthenticated("unsupported_algorithm")
    key_id = header.get("kid")
    if (
        not isinstance(key_id, str)
        or len(key_id) > MAX_KEY_ID_CHARS
        or not _FORBIDDEN_HEADERS.isdisjoint(header)
    ):
        raise Unauthenticated("malformed")
    signature = _decode(last)
    length = ALGORITHMS[algorithm].signature_bytes
    if not signature or (length and len(signature) != length):
        # Empty, or a sequence in DER: whatever the key, it is none, and no key need be fetched to say so.
        raise Unauthenticated("bad_signature")
    return Token(
        algorithm=algorithm,
        key_id=key_id,
        type=_type(header),
        claims=_json_object(payload),
        signed=text[: len(head) + 1 + len(payload)].encode("ascii"),
        signature=signature,
    )


def _type(header: Mapping[str, Any]) -> str | None:
    """RFC 7515, section 4.1.9."""
    value = header.get("typ")
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unauthenticated("malformed")
    return value.lower().removeprefix("application/")


def _decode(part: str) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError:
        raise Unauthenticated("malformed") from None


def _json_object(part: str) -> Mapping[str, Any]:
    value = strict_json.load_object(_decode(part), unique_members=True)
    if value is None:
        raise Unauthenticated("malformed")
    return value
