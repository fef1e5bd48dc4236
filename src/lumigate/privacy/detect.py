"""Personal data in a text: what is there, and where. English and Japanese, full-width forms included.

Rules: a finding is decided by its own characters, at most `CONTEXT_CHARS` before it and a few after it. Of findings
that overlap, the more specific kind stays (the order of `Kind`), then the longer one. Time is proportional to the
text's length on any input: every repetition is bounded or possessive, and no search starts twice on one long run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter

from lumigate.privacy.addresses import find_emails, find_ipv6
from lumigate.privacy.credentials import find_labelled, find_marked, find_private_keys
from lumigate.privacy.fold import fold
from lumigate.privacy.kinds import RANK, Finding, Kind
from lumigate.privacy.numbers import find_ibans, find_numbers, find_parenthesised_phones
from lumigate.privacy.phones import find_international_phones

__all__ = ["CONTEXT_CHARS", "Finding", "Kind", "blanked", "detect", "detect_folded"]

CONTEXT_CHARS = 64
"""How far back of a finding's start the text can matter."""

_STAGES: tuple[tuple[Callable[[str], Iterator[Finding]], ...], ...] = (
    (find_private_keys,),
    (find_marked,),
    (find_labelled,),
    (find_emails, find_ibans),
    (find_ipv6, find_international_phones),
    (find_numbers, find_parenthesised_phones),
)
"""From the marked to the merely shaped. What one stage has found the next does not see, so that masking what was found
brings nothing new to light."""
_BLANK = "\0"
_by_start = attrgetter("start")


def detect(text: str) -> list[Finding]:
    """All findings of a text, in order, none overlapping another."""
    return detect_folded(fold(text))


def detect_folded(text: str) -> list[Finding]:
    """The same, of a text that `fold` has been through."""
    found: list[Finding] = []
    for stage in _STAGES:
        new = [finding for find in stage for finding in find(text)]
        if new:
            new = _in_order(new)
            text = blanked(text, new)
            found = sorted(found + new, key=_by_start) if found else new
    return found


def blanked(text: str, findings: Sequence[Finding]) -> str:
    """The text with signs that mean nothing in the place of the findings, which are in order."""
    parts: list[str] = []
    position = 0
    for finding in findings:
        parts += (text[position : finding.start], _BLANK * (finding.end - finding.start))
        position = finding.end
    parts.append(text[position:])
    return "".join(parts)


def _in_order(found: list[Finding]) -> list[Finding]:
    found.sort(key=_by_start)
    if all(one.end <= other.start for one, other in pairwise(found)):
        return found
    return _without_overlaps(found)


def _without_overlaps(found: list[Finding]) -> list[Finding]:
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda it: (RANK[it.kind], it.start - it.end, it.start)):
        at = bisect_left(kept, finding.start, key=_by_start)
        clear_before = at == 0 or kept[at - 1].end <= finding.start
        if clear_before and (at == len(kept) or finding.end <= kept[at].start):
            kept.insert(at, finding)
    return kept
