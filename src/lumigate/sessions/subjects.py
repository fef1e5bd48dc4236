"""Everything that sessions hold of one subject: shown, or gone. For whoever has the right to be told, or forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lumigate.privacy.sealing import KeyRing
from lumigate.scope import Scope
from lumigate.sessions.client import SessionClient, called, index_of
from lumigate.sessions.contents import described, open_version
from lumigate.sessions.errors import SessionNotFound, SessionsUnavailable, SessionUnreadable

REMOVED_A_CALL = 200
SHOWN_A_CALL = 5
"""Each version of code is a request of the platform, of which an invocation has a limited number."""


async def forget_sessions(scope: Scope, keys: KeyRing | None, owner: str) -> dict[str, Any]:
    """Remove what there is, some at a time: `more` says whether to call again. One that fails stays in the index."""
    index = index_of(scope, owner)
    names = list((await called(scope, "index", index.names))["names"])
    told = {"sessions": 0, "turns": 0, "versions": 0}
    gone: list[str] = []
    for name in names[:REMOVED_A_CALL]:
        try:
            removed = await SessionClient(scope, keys, owner=owner, name=name).remove()
        except SessionNotFound:  # expired, or deleted in between
            removed = {}
        except SessionsUnavailable:
            continue
        gone.append(name)
        if removed:
            told["sessions"] += 1
            told["turns"] += int(removed["turns"])
            told["versions"] += int(removed["versions"])
    if gone:
        await called(scope, "index", lambda: index.drop({"names": gone}))
    return {**told, "more": len(gone) < len(names)}


async def export_sessions(scope: Scope, keys: KeyRing | None, owner: str, after: int) -> dict[str, Any]:
    """A page of sessions, whole; `cursor` is where the next page begins."""
    names: Sequence[str] = (await called(scope, "index", index_of(scope, owner).names))["names"]
    shown = []
    for name in names[after : after + SHOWN_A_CALL]:
        try:
            shown.append(await _whole(SessionClient(scope, keys, owner=owner, name=name)))
        except SessionNotFound:
            continue
        except SessionUnreadable as error:
            shown.append({"object": "session", "public_id": name[:16], "unreadable": error.message})
    following = after + SHOWN_A_CALL
    return {"sessions": shown, "cursor": str(following) if following < len(names) else None}


async def _whole(session: SessionClient) -> Mapping[str, Any]:
    content = await described(session)
    kept = (content.pop("code") or {}).get("versions", [])
    versions = []
    for number in kept:
        found = await session.read(int(number))
        if found["code"] is not None:
            versions.append((await open_version(session, int(number), found["code"])).to_document())
    return {"public_id": session.public_id, **content, "code": versions}
