"""Parts of a session sealed and opened: each bound to its tenant and subject, its session, its kind and its number.

So a part that is moved to another session, or put in place of a later turn, does not open. Belongs to a request.
"""

from __future__ import annotations

import binascii

from lumigate.privacy.sealing import CannotOpen, Purpose, Sealer
from lumigate.sessions.errors import SessionUnreadable
from lumigate.sessions.store import Kind


class Vault:
    """The parts of the session that storage calls `name`."""

    def __init__(self, sealer: Sealer, *, owner: str, name: str) -> None:
        self._sealer = sealer
        self._owner = owner
        self._name = name

    async def seal(self, kind: Kind, number: int, content: bytes) -> str:
        """As text, because that is what RPC and SQLite of both runtimes carry alike."""
        sealed = await self._sealer.seal(
            content, tenant=self._owner, purpose=Purpose.SESSION, name=self._bound_to(kind, number)
        )
        return binascii.b2a_base64(sealed, newline=False).decode("ascii")

    async def open(self, kind: Kind, number: int, part: str) -> bytes:
        """Raises `SessionUnreadable`."""
        try:
            return await self._sealer.open(
                binascii.a2b_base64(part),
                tenant=self._owner,
                purpose=Purpose.SESSION,
                name=self._bound_to(kind, number),
            )
        except CannotOpen as error:
            raise SessionUnreadable(error.reason) from None
        except ValueError:  # no base64
            raise SessionUnreadable("malformed") from None

    def _bound_to(self, kind: Kind, number: int) -> str:
        return f"{self._name}/{kind}/{number}"
