"""Restoring and masking in text that comes in pieces: the result is that of the whole text, however it was cut.

Each takes deltas and gives out what is certain by then. The restorer holds back a beginning of a token; the masker
the word in progress, and numbers in groups, since any of them may become a finding. `end()` gives out the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lumigate.privacy.detect import CONTEXT_CHARS, blanked, detect_folded
from lumigate.privacy.fold import DASHES, fold
from lumigate.privacy.kinds import Finding, Kind
from lumigate.privacy.mask import mark, replace
from lumigate.privacy.tokens import TokenTable

MAX_HELD_CHARS = 8192
"""A word longer than this is not held any further: see `StreamMasker`."""
_OVERLAP_CHARS = 512
_CREDENTIALS = (Kind.PRIVATE_KEY, Kind.JWT, Kind.API_KEY)


class StreamRestorer:
    """Puts values back into one stream of text. With `in_json`, into one that is JSON: the arguments of a tool call."""

    __slots__ = ("_held", "_in_json", "_tokens")

    def __init__(self, tokens: TokenTable, *, in_json: bool = False) -> None:
        self._tokens = tokens
        self._in_json = in_json
        self._held = ""

    def feed(self, delta: str) -> str:
        """What can go out now. Without tokens everything goes out at once."""
        if not len(self._tokens):
            return delta
        text = self._held + delta
        cut = self._tokens.held_from(text)
        self._held = text[cut:]
        return self._restore(text[:cut])

    def end(self) -> str:
        """What was still held back."""
        text, self._held = self._held, ""
        return self._restore(text)

    def _restore(self, text: str) -> str:
        return self._tokens.restore_json(text) if self._in_json else self._tokens.restore(text)


_SIGN = rf"!-,.-~{DASHES[2:]}"
"""What findings are made of (inside a character class), but for the hyphen and white space."""
_HEAD = r"-----BEGIN [A-Z0-9 ]{0,24}?PRIVATE KEY(?: BLOCK)?-----"
_WORD = rf"(?:[{_SIGN}]++|-(?!{_HEAD[1:]}))"
_SEGMENT = re.compile(
    # A private key up to its end mark, and at least as far as the search for it would go without one.
    rf"{_HEAD}(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----))*+(?:-----END [A-Z0-9 ]{{0,24}}PRIVATE KEY(?: BLOCK)?-----)?+"
    # A space inside: after an IBAN's head its groups, after digits more digits.
    rf"|{_WORD}++"
    rf"(?:(?<=[A-Z]{{2}}[0-9]{{2}})(?: [A-Z0-9]{{4}}(?![A-Za-z0-9]))++(?: [A-Z0-9]{{1,3}}(?![A-Za-z0-9]))?+{_WORD}*+"
    rf"|(?<=[0-9)]) (?=[0-9(]){_WORD}++)*+"
)
_HEAD_BEGINS = "-----BEGIN"
_MAY_GO_ON = re.compile(r"[0-9A-Z)]\Z")
_GROUP_BEGINS = re.compile(r"[0-9A-Z(]")
_GROUP_CHARS = 8
"""A space, a group, and what shows that it has ended."""
_HEAD_CHARS = 64


class StreamMasker:
    """Masks one stream of text: what comes out, put together, is `mask` of what went in.

    A word (or an unended private key) over `MAX_HELD_CHARS` is cut: a finding across the cut is then found only
    where it is recognised by one of its parts.
    """

    __slots__ = ("_before", "_folded", "_rewrite", "_text")

    def __init__(self, rewrite: Callable[[str, list[Finding]], str] | None = None) -> None:
        self._before = ""  # folded and gone out, for what the words before a finding say
        self._text = ""
        self._folded = ""
        self._rewrite = rewrite or _marked
        """Writes what goes out, given what was found in it; each piece of the text is given to it once, in order."""

    def feed(self, delta: str, searched: str | None = None) -> str:
        """What can go out now. `searched` is as long, and looked at in the place of the delta."""
        self._text += delta
        self._folded += fold(delta if searched is None else searched)
        out = self._take(self._certain_to())
        while (first := _SEGMENT.match(self._folded)) and first.end() > MAX_HELD_CHARS:
            out += self._take(self._forced_cut())
            out += self._take(self._certain_to())
        return out

    def end(self) -> str:
        """What was still held back. If more comes, what went before is still known."""
        return self._take(len(self._text))

    def _certain_to(self) -> int:
        """Where the first segment begins that more text could change; no finding lies across that point."""
        text, size = self._folded, len(self._folded)
        for match in _SEGMENT.finditer(text):
            end = match.end()
            if end - match.start() > MAX_HELD_CHARS:
                return match.start()
            if size - end > _HEAD_CHARS:
                continue
            if text.startswith(_HEAD_BEGINS, match.start()) or text.endswith(
                _HEAD_BEGINS, match.start(), end
            ):
                needed = _HEAD_CHARS
            elif text.startswith(" ", end) and _MAY_GO_ON.search(text, end - 1, end):
                goes_on = size == end + 1 or _GROUP_BEGINS.match(text, end + 1)
                needed = _GROUP_CHARS if goes_on else 1
            else:
                needed = 1
            if size - end < needed:
                return match.start()
        return size

    def _forced_cut(self) -> int:
        """Inside a word that is too long: leave the last characters, and no finding in two pieces if possible."""
        cut = MAX_HELD_CHARS - _OVERLAP_CHARS
        for finding in detect_folded(self._folded[:MAX_HELD_CHARS]):
            if finding.start < cut < finding.end:
                return finding.start or finding.end
        return cut

    def _take(self, cut: int) -> str:
        if cut == 0:
            return ""
        out, self._text = self._text[:cut], self._text[cut:]
        folded, self._folded = self._folded[:cut], self._folded[cut:]
        known = self._before + folded
        shift = len(self._before)
        found = [finding for finding in detect_folded(known) if finding.start >= shift]
        # As in the whole text, a word inside a key says nothing about what comes after it.
        self._before = blanked(known, [it for it in found if it.kind in _CREDENTIALS])[-CONTEXT_CHARS:]
        return self._rewrite(out, [Finding(it.kind, it.start - shift, it.end - shift) for it in found])


def _marked(text: str, findings: list[Finding]) -> str:
    return replace(text, findings, mark)
