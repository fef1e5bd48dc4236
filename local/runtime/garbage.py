"""The garbage collector's pauses in a process that serves."""

from __future__ import annotations

import gc

_YOUNG = 50_000
"""Objects more than there were at the last look. The telemetry of a second, which goes by itself, stays below it."""


def shorten_pauses() -> None:
    """Leave what was made by now alone for good, and look at young objects by the fifty thousand.

    A full collection has to look at everything that lives, all modules and their functions included, while every
    request waits: 36 ms, and 13 ms without them (measured). For processes that serve and nothing else.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
