"""Masking in JSON text that comes in pieces: the arguments of a tool call, which are JSON only when they are whole.

What goes out is JSON if what came in was: a mark inside a string is plain text, one in the place of a number is a
string, and an escape is never cut in two. Escapes that stand for a character are written out for the search, as in
`json_text`. Text that begins with neither an object nor a list is masked as plain text.
"""

from __future__ import annotations

import json
import re

from lumigate.privacy.json_text import number_around, searchable
from lumigate.privacy.kinds import Finding
from lumigate.privacy.mask import Put, replace
from lumigate.privacy.stream import StreamMasker

_HIGH, _LOW = r"u[dD][89abAB][0-9a-fA-F]{2}", r"u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rf"(?P<unfinished>\\(?:u[0-9a-fA-F]{{0,3}})?\Z|\\{_HIGH}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?\Z)"
    rf"|(?P<unicode>\\{_HIGH}\\{_LOW}|\\u[0-9a-fA-F]{{4}})|(?P<slash>\\/)|\\[^u]",
    re.DOTALL,
)
_SIGN = re.compile(r'\\.?|"', re.DOTALL)


class JsonStreamMasker:
    """Masks one text. `put` writes what stands in the place of a finding."""

    __slots__ = ("_escaping", "_in_string", "_is_json", "_masker", "_put", "_unfinished")

    def __init__(self, put: Put) -> None:
        self._put = put
        self._masker = StreamMasker(self._rewritten)
        self._is_json: bool | None = None
        self._unfinished = ""
        self._in_string = False
        self._escaping = False  # the last sign that went out begins an escape

    def feed(self, delta: str) -> str:
        """What can go out now."""
        if self._is_json is None and (begun := delta.lstrip()):
            self._is_json = begun[0] in "{["
        if not self._is_json:
            return self._masker.feed(delta)
        text = self._written_out(self._unfinished + delta)
        return self._masker.feed(text, searchable(text))

    def end(self) -> str:
        """What was still held back. If more comes, it goes on where this ended."""
        rest, self._unfinished = self._unfinished, ""
        return self._masker.feed(rest) + self._masker.end()

    def _written_out(self, text: str) -> str:
        """The same text without needless escapes, up to one that has not ended."""
        self._unfinished = ""
        return _ESCAPE.sub(self._write_out, text) if "\\" in text else text

    def _write_out(self, match: re.Match[str]) -> str:
        if match["unfinished"]:
            self._unfinished = match[0]
            return ""
        if match["slash"]:
            return "/"
        if not match["unicode"]:
            return match[0]
        character = str(json.loads(f'"{match[0]}"'))
        if "\ud800" <= character <= "\udfff":  # half of a pair
            return match[0]
        return json.dumps(character, ensure_ascii=False)[1:-1]

    def _rewritten(self, text: str, findings: list[Finding]) -> str:
        if not self._is_json:
            return replace(text, findings, self._put)
        parts: list[str] = []
        position = 0
        for finding in findings:
            found = text[finding.start : finding.end]
            written = self._put(finding, found)
            if written == found or finding.start < position:
                continue
            start, end = finding.start, finding.end
            self._pass(text, position, start)
            if self._escaping:  # the finding begins inside an escape, which has to end
                start += 1
                self._pass(text, start - 1, start)
            if not self._in_string:  # all of the number goes, its sign as well
                start, end = number_around(text, start, end, position)
                written = f'"{written}"'
            parts += (text[position:start], written)
            self._pass(text, start, end)
            if self._escaping:  # its second sign is still to come
                parts.append("\\")
            position = end
        self._pass(text, position, len(text))
        parts.append(text[position:])
        return "".join(parts)

    def _pass(self, text: str, start: int, end: int) -> None:
        """Note what a part of the text does: whether it ends inside a string, and inside an escape."""
        if self._escaping and start < end:
            self._escaping = False
            start += 1
        for match in _SIGN.finditer(text, start, end):
            if match[0] == '"':
                self._in_string = not self._in_string
            else:
                self._escaping = len(match[0]) == 1
