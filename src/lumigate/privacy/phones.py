"""International phone numbers: a plus, a country's code, a number (ITU-T E.164), as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lumigate.privacy.fold import DASHES
from lumigate.privacy.kinds import Finding, Kind
from lumigate.privacy.numbering import is_international_phone

# Compiled by `re` when a text first has a plus, and kept.
_INTERNATIONAL = (
    # Digits, each after at most one separator and one area code in parentheses: "-", " ", " (0)", ...
    rf"\+(?<!\+\+)[1-9](?:[ .{DASHES}]?+(?:\([0-9]{{1,5}}\)[ .{DASHES}]?+)?+[0-9]){{4,17}}+"
)
_TRUNK = re.compile(r"\(0\)")
_NOT_A_DIGIT = re.compile(r"[^0-9]+")
_GLUED = re.compile(r"[0-9A-Za-z]")
_LAST_GROUP = re.compile(rf"[ .(){DASHES}]++[0-9]++\Z")


def find_international_phones(text: str) -> Iterator[Finding]:
    """Phone numbers with a plus, of a folded text. Groups after it that make it too long are left out."""
    if "+" not in text:
        return
    for match in re.finditer(_INTERNATIONAL, text):
        start, end = match.span()
        while end > start:
            digits = _NOT_A_DIGIT.sub("", _TRUNK.sub("", text[start:end]))
            if is_international_phone(digits) and not _GLUED.match(text, end):
                yield Finding(Kind.PHONE, start, end)
                break
            cut = _LAST_GROUP.search(text, start, end)
            end = cut.start() if cut else start
