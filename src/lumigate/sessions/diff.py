"""A unified diff between two texts, in bounded time.

Myers' greedy algorithm ("An O(ND) difference algorithm and its variations", 1986) on lines, after what both texts begin
and end with has been set aside. It is given up beyond `MAX_EDITS` edits: the lines in between are then all taken out
and all put in, which is as true, and longer. A line ends at LF and nowhere else. The result is what `patch` takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_EDITS = 500
CONTEXT_LINES = 3
_NO_NEWLINE = "\n\\ No newline at end of file\n"

type Edit = tuple[int, int, int, int]
"""Lines `[a, b)` of the old text become lines `[c, d)` of the new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """`text` is empty if nothing changed; `added` and `removed` count lines."""

    text: str
    added: int
    removed: int


def unified_diff(old: str | None, new: str, *, old_name: str = "code", new_name: str = "code") -> Diff:
    """From `old` (None: there was none) to `new`. Names may hold no control characters."""
    before, after = _lines(old or ""), _lines(new)
    edits = _edits(before, after)
    if not edits:
        return Diff(text="", added=0, removed=0)
    pieces = [
        f"--- {'/dev/null' if old is None else _named('a/' + old_name)}\n",
        f"+++ {_named('b/' + new_name)}\n",
    ]
    for hunk in _hunks(edits):
        pieces.extend(_hunk_lines(before, after, hunk))
    return Diff(
        text="".join(pieces),
        added=sum(d - c for _, _, c, d in edits),
        removed=sum(b - a for a, b, _, _ in edits),
    )


def _named(name: str) -> str:
    """A name with blanks in it ends at a tab, by which `patch` and `git apply` know where it ends."""
    return f"{name}\t" if " " in name else name


def _lines(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _edits(before: Sequence[str], after: Sequence[str]) -> list[Edit]:
    start, shortest = 0, min(len(before), len(after))
    while start < shortest and before[start] == after[start]:
        start += 1
    end = 0
    while end < shortest - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if not old and not new:
        return []
    found = _myers(old, new) if old and new else None
    if found is None:
        found = [(0, len(old), 0, len(new))]
    return [(a + start, b + start, c + start, d + start) for a, b, c, d in found]


def _myers(old: Sequence[str], new: Sequence[str]) -> list[Edit] | None:
    """The fewest edits; None if there are more than `MAX_EDITS`."""
    length_old, length_new = len(old), len(new)
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for distance in range(min(MAX_EDITS, length_old + length_new) + 1):
        row: dict[int, int] = {}
        for diagonal in range(-distance, distance + 1, 2):
            down, right = furthest.get(diagonal + 1, -1), furthest.get(diagonal - 1, -1)
            x = down if diagonal == -distance or (diagonal != distance and right < down) else right + 1
            y = x - diagonal
            while x < length_old and y < length_new and old[x] == new[y]:
                x, y = x + 1, y + 1
            row[diagonal] = x
            if x >= length_old and y >= length_new:
                return _walk_back(trace, length_old, length_new)
        trace.append(row)
        furthest = row
    return None


def _walk_back(trace: Sequence[dict[int, int]], x: int, y: int) -> list[Edit]:
    """From the end to the beginning along the rows, gathering what was taken out and put in."""
    edits: list[Edit] = []
    for distance in range(len(trace), 0, -1):
        row, diagonal = trace[distance - 1], x - y
        down, right = row.get(diagonal + 1, -1), row.get(diagonal - 1, -1)
        is_down = diagonal == -distance or (diagonal != distance and right < down)
        before_x = down if is_down else right
        before_y = before_x - (diagonal + 1 if is_down else diagonal - 1)
        edit = (
            before_x,
            before_x if is_down else before_x + 1,
            before_y,
            before_y + 1 if is_down else before_y,
        )
        if edits and (edit[1], edit[3]) == (edits[-1][0], edits[-1][2]):  # one change of many lines
            edit = (edit[0], edits[-1][1], edit[2], edits.pop()[3])
        edits.append(edit)
        x, y = before_x, before_y
    return edits[::-1]


def _hunks(edits: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Edits whose contexts touch go together."""
    hunk: list[Edit] = []
    for edit in edits:
        if hunk and edit[0] - hunk[-1][1] > 2 * CONTEXT_LINES:
            yield hunk
            hunk = []
        hunk.append(edit)
    if hunk:
        yield hunk


def _hunk_lines(before: Sequence[str], after: Sequence[str], hunk: Sequence[Edit]) -> Iterator[str]:
    lead = min(CONTEXT_LINES, hunk[0][0], hunk[0][2])
    start_old, start_new = hunk[0][0] - lead, hunk[0][2] - lead
    tail = min(CONTEXT_LINES, len(before) - hunk[-1][1])
    end_old, end_new = hunk[-1][1] + tail, hunk[-1][3] + tail
    yield f"@@ -{_range(start_old, end_old)} +{_range(start_new, end_new)} @@\n"
    at = start_old
    for a, b, c, d in hunk:
        yield from (_line(" ", line) for line in before[at:a])
        yield from (_line("-", line) for line in before[a:b])
        yield from (_line("+", line) for line in after[c:d])
        at = b
    yield from (_line(" ", line) for line in before[at:end_old])


def _range(start: int, end: int) -> str:
    """Lines count from 1; an empty range names the line before it."""
    count = end - start
    if count == 1:
        return str(start + 1)
    return f"{start + 1 if count else start},{count}"


def _line(sign: str, line: str) -> str:
    return sign + line if line.endswith("\n") else sign + line + _NO_NEWLINE
