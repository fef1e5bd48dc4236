"""What is sealed of a session, opened."""

from __future__ import annotations

from typing import Any

from lumigate import strict_json
from lumigate.sessions.client import SessionClient
from lumigate.sessions.documents import decode_head, decode_turn
from lumigate.sessions.versions import Version


async def open_version(session: SessionClient, number: int, part: str) -> Version:
    """One version of the code."""
    return Version.from_document(strict_json.loads(await session.vault.open("version", number, part)))


async def described(session: SessionClient) -> dict[str, Any]:
    """Everything that is kept of a session but older versions of its code, for its owner."""
    found = await session.read()
    head = decode_head(await session.vault.open("head", 0, found["head"]))
    turns = [decode_turn(await session.vault.open("turn", int(n), part)) for n, part in found["turns"]]
    versions = list(found["versions"])
    code = await open_version(session, int(versions[-1]), found["code"]) if versions else None
    return {
        "object": "session",
        "created": found["created_ms"] // 1000,
        "expires_at": found["expires_ms"] // 1000,
        "model": head.model or None,
        "system": head.system or None,
        "turns_committed": found["committed"],
        "turns": [turn.to_document() for turn in turns],
        "code": None if code is None else {**code.to_document(), "versions": versions},
    }
