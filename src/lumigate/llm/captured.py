"""What one model call was asked and answered, on its way to the span, to an event, or nowhere (`Capture`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry._logs import SeverityNumber

from lumigate import catalog
from lumigate.llm.capture import Capture
from lumigate.llm.content import input_messages, output_message
from lumigate.telemetry import Logger, Span


class Captured:
    """The content of one call, masked. Falsy where nobody wants it."""

    __slots__ = ("_event", "_on_span", "_span", "_told")

    def __init__(self, capture: Capture, span: Span) -> None:
        self._span = span
        # A trace that is not recorded needs no content; an event stands for itself.
        self._on_span = capture.on_span and span.is_recording()
        self._event = capture.in_event
        self._told: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return self._on_span or self._event

    def asked(self, body: Mapping[str, Any]) -> None:
        """Take the messages of a canonical request."""
        self._told["gen_ai.input.messages"] = input_messages(body)

    def answered(self, answer: bytes) -> None:
        """Take the answer, from the bytes that were received."""
        self._told["gen_ai.output.messages"] = output_message(answer)

    def tell(self, logger: Logger, attributes: Mapping[str, Any]) -> None:
        """Say it, before the span ends; `attributes` are the call's own, for the event."""
        if self._on_span:
            self._span.set_attributes(self._told)
        if self._event:
            logger.emit(
                event_name=catalog.INFERENCE_DETAILS.name,
                severity_number=SeverityNumber.INFO,
                attributes={**attributes, **self._told},
                span=self._span,
            )
