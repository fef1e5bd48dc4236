"""What is counted by the day, with a real clock, is not looked at across its end."""

from __future__ import annotations

import time

DAY_SECONDS = 86_400
_LONGEST_TEST_SECONDS = 120


def stay_clear_of_midnight() -> None:
    """Wait for the next day (UTC) where this one is about to end; else cost nothing."""
    left = DAY_SECONDS - time.time() % DAY_SECONDS
    if left < _LONGEST_TEST_SECONDS:
        time.sleep(left + 1)
