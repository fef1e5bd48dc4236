"""Someone who has been let in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, and the scopes that the credential carries.

    `subject` is stable within the tenant and is personal data. `region` is where its data must stay, if anywhere.
    """

    tenant: str
    subject: str
    scopes: frozenset[str] = frozenset()
    region: str = ""
