"""Text that is JSON (the arguments of a tool call), read for personal data without taking it apart.

Its strings may write a character as an escape, which would hide a finding or become part of one: `\\u0040` is written
out first, and for the search each other escape is replaced by as many signs that mean nothing. Spans found so hold for
the written-out text. What is no valid JSON is left as it is and searched as plain text.
"""

from __future__ import annotations

import json
import re

from lumigate.privacy.kinds import Finding

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\/bfnrt])')
_NUMBER = "+-.0123456789eE"
_NUMBER_GOES_ON = re.compile(r"[-+.0-9eE]*+")
_SIGNS = {'"': ' "', "/": " /", "n": "\n\n", "r": "\n\n", "\\": " \\"}


def written_out(text: str) -> str | None:
    """The same JSON without `\\uXXXX` where a character can stand for itself; None if it is not JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _STRING.sub(_write_out, text) if "\\" in text else text


def searchable(text: str) -> str:
    """What to search in place of a written-out text: as long, and without escapes."""
    return _ESCAPE.sub(lambda match: _SIGNS.get(match[1], "  "), text) if "\\" in text else text


def strings_in(text: str) -> list[tuple[int, int]]:
    """Where the strings stand, quotation marks included."""
    return [match.span() for match in _STRING.finditer(text)]


def number_around(text: str, start: int, end: int, least: int = 0) -> tuple[int, int]:
    """Where the number begins and ends that has these digits, its sign included; not before `least`."""
    match = _NUMBER_GOES_ON.match(text, end)
    begin = least + len(text[least:start].rstrip(_NUMBER))
    return begin, end if match is None else match.end()


def value_of(text: str, finding: Finding) -> str:
    """What a finding in a written-out text says, its escapes read."""
    part = text[finding.start : finding.end]
    return str(json.loads(f'"{part}"')) if "\\" in part else part


def _write_out(match: re.Match[str]) -> str:
    if "\\u" not in match[0]:
        return match[0]
    try:
        written = json.dumps(json.loads(match[0], strict=False), ensure_ascii=False)
        written.encode()
    except (ValueError, UnicodeEncodeError):  # half of a surrogate pair
        return match[0]
    return written
