"""Someone who has been let in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEY_SUBJECT: Final = "key:"
"""How the subject of an API key begins. No token's does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, and the scopes that the credential carries.

    `subject` is stable within the tenant and is personal data. `region` is where its data must stay, if anywhere.
    """

    tenant: str
    subject: str
    scopes: frozenset[str] = frozenset()
    region: str = ""
