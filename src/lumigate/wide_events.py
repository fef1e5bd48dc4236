"""Where wide events go: a line of JSON on the console, a log record over OTLP, or both (`WIDE_EVENT_SINKS`).

The record's attributes are the event's fields by the same names, so that one query serves both; `time`, `trace_id` and
`span_id` are the record's own, and texts that are empty are left out. It is queued, dropped, counted and exported as
every other log record is; where no destination takes logs, none is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import SeverityNumber

from lumigate.catalog import WIDE_EVENT, WIDE_EVENT_ATTRIBUTES
from lumigate.telemetry.sinks.wide_event import build_event

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from lumigate.ports import Ports
    from lumigate.telemetry import Logger

_SEVERITIES: Final = {"warn": SeverityNumber.WARN, "error": SeverityNumber.ERROR}


class WideEvents:
    """One an isolate. Its methods may raise what a port raises."""

    def __init__(self, sinks: Collection[str], logger: Logger) -> None:
        self._on_console = "console" in sinks
        self._logger = logger if "otlp" in sinks and logger.enabled() else None

    def print(self, ports: Ports, values: Mapping[str, Any]) -> None:
        """The line on the console, if it is asked for."""
        if self._on_console:
            ports.console(build_event(WIDE_EVENT, values))

    def log(self, values: Mapping[str, Any], summary: str, *, time_ns: int, span: Span) -> None:
        """The log record, if it is asked for and something takes it. `summary` is its body, for people."""
        logger = self._logger
        if logger is None:
            return
        get, level, event = values.get, values["level"], values["event"]
        logger.emit(
            timestamp=time_ns,
            span=span,
            severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
            severity_text=level,
            body=summary,
            attributes={
                name: value
                for name in WIDE_EVENT_ATTRIBUTES
                if (value := get(name)) is not None and value != ""
            },
            event_name=f"lumigate.{event}",
        )
