"""Which turns stay: as many of the newest as the bounds allow, and always the last one."""

from __future__ import annotations

from collections.abc import Sequence


def first_kept(sizes: Sequence[tuple[int, int]], *, turns: int, size: int) -> int:
    """The number of the oldest turn that stays. `sizes` are (number, size) of all turns, oldest first, at least one."""
    kept = sizes[-1][0]
    used = 0
    for number, one in list(reversed(sizes))[:turns]:
        used += one
        if used > size and number != sizes[-1][0]:
            break
        kept = number
    return kept
