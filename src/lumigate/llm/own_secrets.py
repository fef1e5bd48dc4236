"""A provider's credentials in its own answers: taken out, wherever the provider quotes what it was sent.

A compatible server may echo the headers of a request in what it says, and a key that has gone out once is a key for
everyone. The search is one for each credential over bytes that are there anyway; nothing is decoded, nothing held
back. What a stream says in pieces is found piece by piece: a key that is cut over two events passes.
"""

from __future__ import annotations

import json

from lumigate.config import ProviderAccess

MASK = b"[key]"
_LEAST_CHARS = 16
"""A shorter one is none that a provider gives out, and its letters may well stand in an answer by chance."""


def own_secrets(access: ProviderAccess) -> tuple[bytes, ...]:
    """What to look for: each credential in the ways that JSON may write it, the longest first."""
    found: set[bytes] = set()
    own = (access.api_key, *(value for _, value in access.headers))
    for secret in (value.get_secret_value() for value in own if value is not None):
        bare = secret.removeprefix("Bearer ")
        if len(bare) < _LEAST_CHARS:
            continue
        escaped = json.dumps(bare)[1:-1]
        found |= {form.encode() for form in (escaped, escaped.replace("/", "\\/"))}
    return tuple(sorted(found, key=len, reverse=True))


def masked(data: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """The same bytes, the very same where there is nothing to take out."""
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, MASK)
    return data
