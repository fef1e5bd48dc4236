"""Full-width forms read as their ASCII twins, one code point for one, so that every offset stays what it is.

Only what cannot mean anything else is folded: full-width ASCII (U+FF01 to U+FF5E), the ideographic space, the no-break
spaces and the spaces of typographers (U+2000 to U+200A), which stand between the groups of a number. Dashes stay: the
long vowel mark is a letter in a word and a hyphen in a number, so the patterns for numbers take `DASHES` where they
take a hyphen.
"""

from __future__ import annotations

import re

DASHES = "\\-\u2010-\u2015\u2212\u30fc\uff70"
"""Inside a character class: hyphen, dashes, minus, and the long vowel mark in both widths."""

_SPACES = (0x3000, 0xA0, 0x202F, 0x205F, *range(0x2000, 0x200B))
_TABLE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | dict.fromkeys(_SPACES, 0x20)
_FOLDABLE = re.compile("[\uff01-\uff5e\u3000\u00a0\u202f\u205f\u2000-\u200a]+")


def fold(text: str) -> str:
    """The same text, as many code points long, with ASCII in place of its full-width twin."""
    if text.isascii() or _FOLDABLE.search(text) is None:
        return text
    return _FOLDABLE.sub(_fold_run, text)


def _fold_run(match: re.Match[str]) -> str:
    return match[0].translate(_TABLE)
