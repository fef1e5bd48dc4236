"""International phone numbers: a plus, a country's code, a number (ITU-T E.164), as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lumigate.privacy.fold import DASHES
from lumigate.privacy.kinds import Finding, Kind
from lumigate.privacy.numbering import is_international_phone

_INTERNATIONAL = re.compile(
    # One separator between two digits, of at most two characters: ") ", " (", "-", ...
    rf"\+(?<![0-9A-Za-z+]\+)[1-9](?:(?:[ .{DASHES}]\(?+|\)[ .{DASHES}]?+|\()?+[0-9]){{6,17}}+"
)
_TRUNK = re.compile(r"\(0\)")
_NOT_A_DIGIT = re.compile(r"[^0-9]+")
_GLUED = re.compile(rf"[0-9A-Za-z]|[.{DASHES}][0-9]")


def find_international_phones(text: str) -> Iterator[Finding]:
    """Phone numbers with a plus, of a folded text. What follows by a space and does not belong is left out."""
    if "+" not in text:
        return
    for match in _INTERNATIONAL.finditer(text):
        start, end = match.span()
        while end > start:
            digits = _NOT_A_DIGIT.sub("", _TRUNK.sub("", text[start:end]))
            if is_international_phone(digits) and not _GLUED.match(text, end):
                yield Finding(Kind.PHONE, start, end)
                break
            cut = max(start, text.rfind(" ", start, end), text.rfind("(", start, end))
            end = start + len(text[start:cut].rstrip())
