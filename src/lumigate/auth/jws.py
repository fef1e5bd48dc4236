"""Compact JSON Web Signatures, taken apart strictly (RFC 7515; claims RFC 7519). Pure: no keys, no I/O, no clock.

The algorithm is chosen from what settings allow, never from the token alone; a token that carries or points to its own
key (`jwk`, `jku`, `x5u`, `x5c`) or asks for extensions we do not know (`crit`) is refused.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate import strict_json
from lumigate.errors import Unauthenticated

MAX_TOKEN_CHARS = 8192
ALLOWED_ALGORITHMS = frozenset({"RS256"})
_FORBIDDEN_HEADERS = ("jwk", "jku", "x5u", "x5c", "crit")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A well-formed token whose signature has not been checked. `signed` is what the signature covers."""

    algorithm: str
    key_id: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def looks_like_jws(text: str) -> bool:
    """Whether a bearer credential is meant to be a token rather than an API key."""
    return text.count(".") == 2


def parse(text: str) -> Token:
    """Take a compact token apart. Raises `Unauthenticated` (malformed, unsupported_algorithm)."""
    if len(text) > MAX_TOKEN_CHARS or not _COMPACT.fullmatch(text):
        raise Unauthenticated("malformed")
    head, payload, signature = text.split(".")
    header = _json_object(head)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALLOWED_ALGORITHMS:
        raise Unauthenticated("unsupported_algorithm")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or any(name in header for name in _FORBIDDEN_HEADERS):
        raise Unauthenticated("malformed")
    return Token(
        algorithm=algorithm,
        key_id=key_id,
        claims=_json_object(payload),
        signed=f"{head}.{payload}".encode("ascii"),
        signature=_base64url(signature),
    )


def _base64url(text: str) -> bytes:
    """Strict base64url without padding: one text for each value (RFC 4648, section 3.5)."""
    try:
        value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise Unauthenticated("malformed") from None
    if urlsafe_b64encode(value).rstrip(b"=") != text.encode("ascii"):  # bits left over at the end
        raise Unauthenticated("malformed")
    return value


def _json_object(part: str) -> Mapping[str, Any]:
    value = strict_json.load_object(_base64url(part))
    if value is None:
        raise Unauthenticated("malformed")
    return value
