"""How much one span, event or link may hold. Names and defaults follow OpenTelemetry's span limits.

One default differs: a text value is cut at 8,192 characters (the specification says: never), because an isolate has
128 MB for everything and a single careless attribute must not take one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_VALUE_LENGTH = 8192
MAX_NAME = 512
"""Characters of a span's or an event's name."""
MAX_SEQUENCE_ITEMS = 1024
"""Items of a sequence value that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Counts and lengths above which attributes, events and links are dropped or cut, and counted."""

    span_attributes: int = 128
    event_attributes: int = 128
    link_attributes: int = 128
    log_attributes: int = 128
    events: int = 128
    links: int = 128
    span_value_length: int = DEFAULT_VALUE_LENGTH
    value_length: int = DEFAULT_VALUE_LENGTH
    """For events and links."""
    log_value_length: int = DEFAULT_VALUE_LENGTH
