"""Base64url without padding, one text for each value (RFC 7515, section 2; RFC 4648, section 3.5). Pure."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")
# A last character that carries 2 or 4 bits too many must carry them as zeros, else several texts mean one value.
_LAST_OF_TWO = frozenset("AQgw")
_LAST_OF_THREE = frozenset("AEIMQUYcgkosw048")


def decode(text: str) -> bytes:
    """Raises `ValueError` for padding, other characters and left-over bits."""
    rest = len(text) % 4
    if (
        rest == 1
        or (rest == 2 and text[-1] not in _LAST_OF_TWO)
        or (rest == 3 and text[-1] not in _LAST_OF_THREE)
        or not _ALPHABET.fullmatch(text)
    ):
        raise ValueError("is not base64url")
    return urlsafe_b64decode(text + "=" * (-rest % 4))


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
