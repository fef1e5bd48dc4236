"""What personal data there is, as a closed set, and where a piece of it stands.

The values are the words of telemetry (`[email]` in a masked text, an attribute value in metrics); the upper-case
names are the words of tokens (`<EMAIL_1>`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Every kind, the most specific first: where two findings overlap, the earlier kind here wins."""

    PRIVATE_KEY = "private_key"
    JWT = "jwt"
    API_KEY = "api_key"
    """A key or token whose issuer marks it: `sk-…`, `ghp_…`, `AKIA…`."""
    SECRET = "secret"  # noqa: S105  (a name, not a secret)
    """A value that is one because of the word before it: `api_key=…`, `password: …`."""
    EMAIL = "email"
    IBAN = "iban"
    CARD = "card"
    MY_NUMBER = "my_number"
    SSN = "ssn"
    IP = "ip"
    PHONE = "phone"


RANK = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Finding:
    """`text[start:end]` is personal data of that kind. Offsets count code points, as Python's strings do."""

    kind: Kind
    start: int
    end: int
