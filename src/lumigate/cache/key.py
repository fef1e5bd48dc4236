"""The name of an answer: a hash over everything that changes it, and nothing else. Pure.

What is the same to a model is the same here: the order of members, JSON's own whitespace (also inside the arguments of
tool calls, which are JSON in text), 1 and 1.0, a parameter that is null and one that is absent. The text of messages
is taken to the letter, because its whitespace can matter. Who asks for whom (`user`, `metadata` and the like) is left
out: it changes no answer, and the tenant is in the key in any case.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lumigate import strict_json

VERSION = 2
"""Raised when the meaning of a key changes, so that old entries are never read by new rules."""
SHARED = "shared"
"""The namespace of routes that say so; a tenant's begins with `t:` and can never be it."""
_ABOUT_THE_CALLER = frozenset(
    {"user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention"}
)
_FORM = frozenset({"stream", "stream_options"})
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def namespace_of(tenant: str, *, shared: bool) -> str:
    """Whose answers a request may see."""
    return SHARED if shared else f"t:{tenant}"


def cache_key(*, namespace: str, policy: str, body: Mapping[str, Any], any_form: bool = False) -> str:
    """64 hex digits. `body` is the validated request, `policy` what its model stands for and who may answer it.

    Tenants never share an answer; the namespace is inside the hash, so a key tells nothing about who asked. With
    `any_form` a stream and a whole answer have one key.
    """
    left_out = _ABOUT_THE_CALLER | _FORM if any_form else _ABOUT_THE_CALLER
    asked = {
        name: value
        for name, value in body.items()
        if value is not None and name not in left_out and not (name == "stream" and value is False)
    }
    canonical = _ENCODER.encode([VERSION, namespace, policy, normalised(asked)])
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def normalised(value: Any) -> Any:
    """The same value in the one form that all of its spellings share."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        # Beyond 2**53 a float stands for many integers, and is none of them.
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if kind is list:
        return [normalised(item) for item in value]
    if kind is dict:
        return {name: _member(name, child) for name, child in value.items()}
    return value


def _member(name: str, value: Any) -> Any:
    """The arguments of a tool call are JSON in text: spaces in them are JSON's."""
    if name != "arguments" or not isinstance(value, str):
        return normalised(value)
    try:
        read = strict_json.loads(value.encode("utf-8", "surrogatepass"))
    except ValueError:
        return value
    return _ENCODER.encode(normalised(read))


@lru_cache(maxsize=1024)
def short_hash(text: str) -> str:
    """16 hex digits that stand for a name where the name itself may not be read: in the keys of stores."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def store_key(namespace: str, key: str) -> str:
    """Where an answer lies below memory: under its tenant, so that all of a tenant's can be listed and erased."""
    return f"{store_prefix(namespace)}{key}"


def store_prefix(namespace: str) -> str:
    return f"cache/{short_hash(namespace)}/"
