"""The name of an answer: a hash over everything that changes it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

VERSION = 1
"""Raised when the meaning of a key changes, so that old entries are never read by new rules."""


def cache_key(*, tenant: str, policy: str, body: Mapping[str, Any]) -> str:
    """64 hex digits. `body` is the validated request, `policy` what its model stands for in the routing table.

    Tenants never share an answer; the tenant is inside the hash, so a key tells nothing about who asked.
    """
    identity = [VERSION, tenant, policy, body]
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
