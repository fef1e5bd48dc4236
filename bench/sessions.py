"""What a session adds to a message: finding the code in an answer, comparing it with the version before.

The rival of the diff is `difflib`, which is quadratic; the bound on a hostile answer is that twice the text takes about
twice the time. `measure` runs on CPython and in Pyodide.
"""

from __future__ import annotations

import difflib
import gc
import time
from collections.abc import Callable
from statistics import median

from bench.contest import Row
from lumigate.sessions.diff import unified_diff
from lumigate.sessions.fences import fenced_blocks

LINES = 1000
_HOSTILE = "```markdown\n```a\n~~~ title='x\n``` `\n"
_LINEAR = 3.0
"""Twice the text, and what a noisy machine adds; quadratic time would be 4."""


def measure(rounds: int = 21) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    old = [f"    value_{n} = compute({n})\n" for n in range(LINES)]
    few = ["    changed()\n" if n % 50 == 0 else line for n, line in enumerate(old)]
    # What difflib looks at again and again, and Myers gives up on at its bound.
    alike = [f"    x = {n % 200}\n" for n in range(LINES)]
    torn = [line for n, own in enumerate(alike) for line in (own, f"    y = {n}\n")]
    return [
        _against_difflib("a diff of 1,000 lines, 20 changed", old, few, rounds, bar=2.0),
        _against_difflib(
            "a diff of 1,000 lines that repeat, one put after each", alike, torn, rounds, bar=5.0
        ),
        _linear("find the code in a hostile answer", rounds),
    ]


def _against_difflib(
    what: str, old: list[str], new: list[str], rounds: int, *, bar: float
) -> dict[str, object]:
    before, after = "".join(old), "".join(new)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_time(lambda: unified_diff(before, after)))
        theirs.append(_time(lambda: list(difflib.unified_diff(old, new))))
    ours_us, rival_us = median(ours), median(theirs)
    return Row(what=what, ours_us=ours_us, rival_us=rival_us, ratio=rival_us / ours_us, bar=bar).as_json()


def _linear(what: str, rounds: int) -> dict[str, object]:
    once, twice = _HOSTILE * 3000, _HOSTILE * 6000
    short, long = [], []
    for _ in range(rounds):
        short.append(_time(lambda: fenced_blocks(once)))
        long.append(_time(lambda: fenced_blocks(twice)))
    short_us, long_us = median(short), median(long)
    return Row(
        what=f"{what}: twice the text ({len(twice) // 1000} KB), times the time",
        ours_us=long_us,
        rival_us=short_us,
        ratio=long_us / short_us,
        bar=_LINEAR,
        at_most=True,
    ).as_json()


def _time(run: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    run()
    return (time.perf_counter() - begun) * 1e6
