"""Which failures are worth another try, and when. https://opentelemetry.io/docs/specs/otlp/#otlphttp-response

The wait is a moment («not before»), never a sleep: a request that waits is billed, and cut after 30 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RETRYABLE: Final = frozenset({429, 502, 503, 504})
_SECOND: Final = 1_000_000_000
FIRST_WAIT_NS: Final = 1 * _SECOND
LONGEST_WAIT_NS: Final = 60 * _SECOND
LONGEST_RETRY_AFTER_NS: Final = 15 * 60 * _SECOND
"""A destination that asks for more is asked again after this."""


def backoff_ns(failures: int, chance: float) -> int:
    """The wait after the n-th failure in a row: doubling, of which a random half (`chance` in [0, 1)) is taken off."""
    longest = min(FIRST_WAIT_NS << min(failures - 1, 10), LONGEST_WAIT_NS)
    return longest - int(longest * chance / 2)


def retry_after_ns(headers: Mapping[str, str], now_ns: int) -> int | None:
    """The moment that Retry-After names, in seconds or as an HTTP date; None if it says nothing sensible."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdecimal() and len(value) < 12:
        moment = now_ns + int(value) * _SECOND
    else:
        from email.utils import parsedate_to_datetime

        try:
            moment = int(parsedate_to_datetime(value).timestamp()) * _SECOND
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(moment, now_ns), now_ns + LONGEST_RETRY_AFTER_NS)
