"""What a message is answered with. Made from what is stored, so that an answer given again is the same answer."""

from __future__ import annotations

from typing import Any

from lumigate.sessions.diff import unified_diff
from lumigate.sessions.documents import Turn
from lumigate.sessions.fences import fenced_blocks
from lumigate.sessions.versions import Version


def reply(
    session_id: str, turn: Turn, *, base: Version | None, code: Version | None, replayed: bool
) -> dict[str, Any]:
    """The answer, the fenced code in it, the code as it now is, and the diff from the version before.

    `diff` is null where the version before is no longer kept.
    """
    document = turn.to_document()
    del document["messages"]
    text, added, removed = _difference(turn, base, code)
    return {
        "object": "session.message",
        "session": session_id,
        **document,
        "blocks": [
            {
                "language": block.language or None,
                "file": block.file or None,
                "text": block.text,
                "closed": block.closed,
            }
            for block in fenced_blocks(turn.answer)
        ],
        "code": code.to_document() if code is not None else None,
        "changed": turn.version != turn.base,
        "diff": text,
        "diff_from": turn.base or None,
        "lines_added": added,
        "lines_removed": removed,
        "replayed": replayed,
    }


def _difference(turn: Turn, base: Version | None, code: Version | None) -> tuple[str | None, int, int]:
    if turn.version == turn.base:
        return "", 0, 0
    if code is None or (turn.base and base is None):
        return None, 0, 0
    diff = unified_diff(
        base.text if base is not None else None,
        code.text,
        old_name=_path(base),
        new_name=_path(code),
    )
    return diff.text, diff.added, diff.removed


def _path(version: Version | None) -> str:
    return (version.file if version is not None else "") or "code"
