"""The form of an API key: `lmg_<id>_<secret><checksum>`. Pure.

The prefix lets scanners of secrets find one that leaked; the checksum (CRC-32 in base62, as GitHub's tokens have it)
tells a key from a typing mistake without asking any store. Of a key only a keyed hash is stored: without the pepper,
which is a secret of the deployment, a copy of the store tells nothing, and lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Final

PREFIX: Final = "lmg_"
ID_CHARS: Final = 12
SECRET_CHARS: Final = 32
"""190 bits: nothing to stretch."""
CHECKSUM_CHARS: Final = 6
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM: Final = re.compile(
    rf"lmg_([0-9A-Za-z]{{{ID_CHARS}}})_[0-9A-Za-z]{{{SECRET_CHARS + CHECKSUM_CHARS}}}", re.ASCII
)
_ID: Final = re.compile(rf"[0-9A-Za-z]{{{ID_CHARS}}}", re.ASCII)
_FAIR_BYTES: Final = 256 - 256 % len(_DIGITS)
"""Greater ones are drawn again, else the first digits would come more often."""


def make_key(random_bytes: Callable[[int], bytes]) -> tuple[str, str]:
    """A new key and its id."""
    identity = _random_text(random_bytes, ID_CHARS)
    body = f"{PREFIX}{identity}_{_random_text(random_bytes, SECRET_CHARS)}"
    return body + checksum(body), identity


def read_id(text: str) -> str | None:
    """The id of a well-formed key; None for anything else, and for a key with a character wrong."""
    match = _FORM.fullmatch(text)
    if match is None or checksum(text[:-CHECKSUM_CHARS]) != text[-CHECKSUM_CHARS:]:
        return None
    return match[1]


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def checksum(body: str) -> str:
    """CRC-32 in base62, always of the same length."""
    number, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(CHECKSUM_CHARS):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def hash_key(key: str, pepper: str, rights: str) -> str:
    """What is stored: HMAC-SHA-256, hex. It covers what the key may do, so that nobody who can write to the store,
    and does not know the pepper, can make more of a key than it was made for."""
    return hmac.new(pepper.encode(), f"{key}{rights}".encode(), hashlib.sha256).hexdigest()


def matches(key: str, stored: str, peppers: Iterable[str], rights: str) -> bool:
    """Whether `stored` is the hash of the key under one of the peppers; takes the same time for all wrong ones."""
    stored_bytes = stored.encode("utf-8", "replace")
    found = [hmac.compare_digest(hash_key(key, pepper, rights).encode(), stored_bytes) for pepper in peppers]
    return any(found)


def _random_text(random_bytes: Callable[[int], bytes], length: int) -> str:
    text = ""
    while len(text) < length:
        text += "".join(_DIGITS[byte % 62] for byte in random_bytes(2 * length) if byte < _FAIR_BYTES)
    return text[:length]
