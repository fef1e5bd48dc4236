"""Fenced code in an answer, as CommonMark has it (section 4.5), and as models write it.

Rules:
- a fence is three or more backticks or tildes; a line of at least as many of the same, and nothing else, closes it;
- the text after a run of backticks holds no backtick, else the line is no fence;
- an unclosed fence runs to the end (`closed` says so);
- a fence may be indented, as it is inside a list, or begin on the line of the item's mark, and its content loses as
  much; its end may stand three columns further in than its beginning;
- inside a block of Markdown, a fence that says its language begins a block within the block, with an end of its own.

Time is linear in the text: every line is looked at once, by a pattern that cannot go back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lumigate.sessions.info_strings import read_info

_FENCE = re.compile(r"([ \t]*+(?:(?:[-*+]|\d{1,9}+[.)])[ \t]++)*+)(`{3,}+|~{3,}+)([^\r]*+)")
_MARKDOWN = frozenset({"markdown", "mdx"})
MAX_BLOCKS = 200
"""Further blocks of one answer are text like any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block. `text` ends with a line end unless it is empty; `language` and `file` may be empty."""

    language: str
    file: str
    text: str
    closed: bool


@dataclass(slots=True, kw_only=True)
class _Open:
    """The block that is being read."""

    indent: int
    mark: str
    language: str
    file: str
    depth: int
    lines: list[str]

    def take(self, line: str) -> None:
        stripped = line.lstrip(" \t")
        self.lines.append(line[min(self.indent, len(line) - len(stripped)) :])

    def finish(self, *, closed: bool) -> Block:
        text = "".join(f"{line}\n" for line in self.lines)
        return Block(language=self.language, file=self.file, text=text, closed=closed)


def fenced_blocks(text: str) -> list[Block]:
    """All fenced blocks, in order; blocks within blocks are part of the outer one."""
    found: list[Block] = []
    block: _Open | None = None
    for line in _lines(text):
        fence = _FENCE.fullmatch(line)
        if fence is not None and fence[2][0] == "`" and "`" in fence[3]:
            fence = None
        if block is None:
            if fence is not None and len(found) < MAX_BLOCKS:
                language, file = read_info(fence[3])
                block = _Open(
                    indent=len(fence[1]), mark=fence[2], language=language, file=file, depth=0, lines=[]
                )
            continue
        if fence is not None and _same_kind(fence, block):
            if not fence[3].strip() and not fence[1].strip():
                if block.depth == 0:
                    found.append(block.finish(closed=True))
                    block = None
                    continue
                block.depth -= 1
            elif fence[3].strip() and block.language in _MARKDOWN:
                block.depth += 1
        block.take(line)
    if block is not None:
        found.append(block.finish(closed=False))
    return found


def _lines(text: str) -> list[str]:
    """Lines without their ends. The last is none if it is empty: the text ended in a line end."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    return lines


def _same_kind(fence: re.Match[str], block: _Open) -> bool:
    """Whether a line can end that block, or begin one inside it."""
    same = fence[2][0] == block.mark[0] and len(fence[2]) >= len(block.mark)
    return same and len(fence[1]) <= block.indent + 3
