"""A key set as an issuer publishes it, read strictly (RFC 7517, section 5). Pure.

Keys that are for something else are passed over, as the specification asks; a set that an honest issuer does not
publish is refused as a whole, so that the one before stays in force.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lumigate import strict_json
from lumigate.auth.algorithms import ALGORITHMS
from lumigate.auth.jwk import fits
from lumigate.auth.jws import MAX_KEY_ID_CHARS

MAX_BYTES = 256 * 1024
MAX_KEYS = 100


class KeySetError(Exception):
    """The key set could not be fetched or read; `result` is the catalog's word for it."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """A key that may be for `algorithm`: whether it is one, only importing it tells."""

    key_id: str
    algorithm: str
    jwk: Mapping[str, Any]


def read_key_set(body: bytes, algorithms: Collection[str]) -> list[PublishedKey]:
    """The signing keys of a set, one entry for each of `algorithms` that it fits. Raises `KeySetError`."""
    document = strict_json.load_object(body, unique_members=True)
    entries = document.get("keys") if document else None
    if not isinstance(entries, list):
        raise KeySetError("bad_content")
    if len(entries) > MAX_KEYS:
        raise KeySetError("too_large")
    found: dict[tuple[str, str], PublishedKey] = {}
    for jwk in entries:
        key_id = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(key_id, str) or len(key_id) > MAX_KEY_ID_CHARS:
            continue
        for name in algorithms:
            if not fits(jwk, ALGORITHMS[name]):
                continue
            if (key_id, name) in found:
                # Whose signature would hold then depends on the order.
                raise KeySetError("duplicate_key")
            found[key_id, name] = PublishedKey(key_id=key_id, algorithm=name, jwk=jwk)
    return list(found.values())
