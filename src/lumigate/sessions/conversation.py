"""What the model is told: the system prompt, the turns that are kept, the new message, and the code as it is now.

The code stands in the prompt once: with the new message where the caller sends it, and where the model could not see it
otherwise, because the caller wrote it in an earlier turn or because the turn in which the model wrote it has been let
go. It is fenced by more backticks than it holds in a row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lumigate.sessions.documents import Head, Turn
from lumigate.sessions.versions import Version

_BACKTICKS = re.compile("`+")


def prompt(
    head: Head,
    turns: Sequence[Turn],
    messages: Sequence[Mapping[str, str]],
    code: Version | None,
    *,
    sent: bool,
) -> list[dict[str, str]]:
    """Messages in OpenAI's shape. `code` is the last version; `sent` says that it came with this message."""
    told: list[dict[str, str]] = []
    if head.system:
        told.append({"role": "system", "content": head.system})
    for turn in turns:
        told.extend(dict(message) for message in turn.messages)
        if turn.answer:
            told.append({"role": "assistant", "content": turn.answer})
    told.extend(dict(message) for message in messages)
    if code is not None and (sent or not _is_seen(code, turns)):
        told[-1] = {**told[-1], "content": f"{told[-1]['content']}\n\n{_shown(code)}"}
    return told


def _is_seen(code: Version, turns: Sequence[Turn]) -> bool:
    return code.source == "model" and bool(turns) and turns[0].number <= code.turn


def _shown(code: Version) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(code.text)), default=0)
    fence = "`" * max(3, longest + 1)
    info = " ".join(word for word in (code.language, code.file) if word)
    end = "" if code.text.endswith("\n") or not code.text else "\n"
    return f"The code as it is now:\n\n{fence}{info}\n{code.text}{end}{fence}"
