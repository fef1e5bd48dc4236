"""Versions of a session's code, and which block of an answer is the next one.

The rule: of the blocks that are not empty and are no diff, the one with the file name of the last version; else the
longest in its language; else the longest of all. An answer with none leaves the code as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lumigate.sessions.fences import Block

_NO_CODE = frozenset({"diff"})
type Source = Literal["caller", "model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The code as it was after `turn`. `number` counts from 1; `source` is who wrote it."""

    number: int
    turn: int
    source: Source
    text: str
    language: str = ""
    file: str = ""

    def to_document(self) -> dict[str, Any]:
        """For sealing, and for the caller."""
        return {
            "version": self.number,
            "turn": self.turn,
            "source": self.source,
            "language": self.language or None,
            "file": self.file or None,
            "text": self.text,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Version:
        """What `to_document` wrote."""
        return cls(
            number=document["version"],
            turn=document["turn"],
            source=document["source"],
            text=document["text"],
            language=document["language"] or "",
            file=document["file"] or "",
        )


def next_version(
    last: Version | None, *, turn: int, source: Source, text: str, language: str, file: str
) -> Version | None:
    """The version that comes after `last`; None if nothing changes. What is not named stays as it was.

    So do line ends: models write LF, whatever they were sent, and a file of CRLF would change in every line.
    """
    if last is not None:
        if source == "model" and _is_crlf(last.text):
            text = text.replace("\n", "\r\n")
        if not (language and last.language) or language == last.language:  # in another it is another file
            language, file = language or last.language, file or last.file
        if (last.text, last.language, last.file) == (text, language, file):
            return None
    number = 1 if last is None else last.number + 1
    return Version(number=number, turn=turn, source=source, text=text, language=language, file=file)


def _is_crlf(text: str) -> bool:
    return "\r\n" in text and text.count("\n") == text.count("\r\n")


def choose_block(blocks: Sequence[Block], last: Version | None) -> Block | None:
    """The block that is the code; see the module's header."""
    candidates = [b for b in blocks if b.text.strip() and b.language not in _NO_CODE]
    if last is not None:
        named = [b for b in candidates if b.file and b.file == last.file]
        spoken = [b for b in candidates if b.language and b.language == last.language]
        candidates = named or spoken or candidates
    return max(candidates, key=lambda block: len(block.text), default=None)
