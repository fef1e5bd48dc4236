"""Names of sessions and of those they belong to.

Who holds a session's id and belongs to its tenant and subject may use it, so the id itself is kept nowhere: storage
knows the session by the SHA-256 of its id, telemetry by the first 16 hex digits of that.
"""

from __future__ import annotations

import base64
import hashlib
import re

from lumigate.telemetry.host import Entropy

ID_BYTES = 32
PUBLIC_DIGITS = 16
_ID = re.compile(r"ses_[A-Za-z0-9_-]{43}")


def new_session_id(entropy: Entropy) -> str:
    """256 random bits, safe in a path. Only inside a request: there is no entropy before."""
    return "ses_" + base64.urlsafe_b64encode(entropy.random_bytes(ID_BYTES)).rstrip(b"=").decode("ascii")


def is_session_id(text: str) -> bool:
    """Whether it has the form of an id; whether there is such a session is another question."""
    return _ID.fullmatch(text) is not None


def object_name(session_id: str) -> str:
    """What storage knows the session by: 64 hex digits that do not lead back to the id."""
    return _digest("session", session_id)


def public_id(name: str) -> str:
    """What telemetry and logs call the session of that object name (`gen_ai.conversation.id`)."""
    return name[:PUBLIC_DIGITS]


def owner_of(tenant: str, subject: str) -> str:
    """Whose session it is; also the name of the index of all sessions that are theirs."""
    return _digest("owner", tenant, subject)


def keyed(session_id: str, text: str) -> str:
    """A digest that nobody without the id can make: of an idempotency key, or of a body."""
    return _digest("keyed", session_id, text)


def _digest(*parts: str) -> str:
    """One digest for each list of parts: each goes in with its length before it."""
    hasher = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogatepass")
        hasher.update(len(content).to_bytes(8) + content)
    return hasher.hexdigest()
