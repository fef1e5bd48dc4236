"""The setting that says where content is told: on the span, in an event, in both, or (the default) nowhere.

Its name, `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`, and its words are those of OpenTelemetry's GenAI
instrumentations.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Capture(StrEnum):
    """Where content goes."""

    NO_CONTENT = "no_content"
    SPAN_ONLY = "span_only"
    EVENT_ONLY = "event_only"
    SPAN_AND_EVENT = "span_and_event"

    @classmethod
    def from_setting(cls, value: Any) -> Any:
        """`true` and `false` are how the setting began; the case of its words does not matter."""
        if isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false")):
            return cls.SPAN_ONLY if str(value).lower() == "true" else cls.NO_CONTENT
        return value.lower() if isinstance(value, str) else value

    @property
    def on_span(self) -> bool:
        return self in (Capture.SPAN_ONLY, Capture.SPAN_AND_EVENT)

    @property
    def in_event(self) -> bool:
        return self in (Capture.EVENT_ONLY, Capture.SPAN_AND_EVENT)
