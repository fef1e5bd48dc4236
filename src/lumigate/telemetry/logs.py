"""Log records by OpenTelemetry's Logs API, into the same buffer and exports as spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import _logs as api
from opentelemetry import trace as trace_api
from opentelemetry.context import Context

from lumigate.telemetry.attributes import clean_text, clean_value, cleaned, safe_text
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.exceptions import Redact, as_it_is, describe_exception
from lumigate.telemetry.host import Clock
from lumigate.telemetry.limits import MAX_NAME, Limits
from lumigate.telemetry.records import END_OF_TIME_NS, LogRecord, Scope, SpanRecord

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 128
_MAX_NODES: Final = 1024
"""Values in one body: with a bound for each level alone, a list of lists of itself would be 128^8 of them."""
_ERROR_SEVERITY: Final = 17

type LogSink = Callable[[LogRecord, bool, bool], None]
"""Takes a record, whether it is important (an error), and whether its attributes may be large."""


class Logger(api.Logger):
    """Emits log records for one instrumentation scope."""

    def __init__(
        self,
        scope: Scope,
        clock: Clock,
        limits: Limits,
        counts: Counts,
        sink: LogSink,
        *,
        disabled: bool = False,
        redact: Redact = as_it_is,
    ) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url)
        self._scope = scope
        self._clock = clock
        self._limits = limits
        self._counts = counts
        self._sink = sink
        self._disabled = disabled
        self._redact = redact

    def emit(
        self,
        record: api.LogRecord | None = None,
        *,
        timestamp: int | None = None,
        observed_timestamp: int | None = None,
        context: Context | None = None,
        severity_number: api.SeverityNumber | None = None,
        severity_text: str | None = None,
        body: Any = None,
        attributes: Mapping[str, Any] | None = None,
        event_name: str | None = None,
        exception: BaseException | None = None,
        span: Span | None = None,
    ) -> None:
        """Emit a record. Its span is `span`, or the current one of `context`."""
        if self._disabled:
            return
        try:
            trace_id = span_id = flags = 0
            if record is not None:
                timestamp, severity_number = record.timestamp, record.severity_number
                severity_text, body, attributes = record.severity_text, record.body, record.attributes
                event_name, exception = record.event_name, record.exception
                trace_id, span_id, flags = record.trace_id, record.span_id, int(record.trace_flags or 0)
            else:
                spoken = span or trace_api.get_current_span(context)
                if isinstance(spoken, SpanRecord):  # ours: to make its context would be half of all this
                    trace_id, span_id, flags = spoken.trace_id, spoken.span_id, spoken.flags & 0xFF
                elif (span_context := spoken.get_span_context()).is_valid:
                    trace_id, span_id = span_context.trace_id, span_context.span_id
                    flags = int(span_context.trace_flags)
            now = self._clock.now_ns()
            if exception is not None:
                described = describe_exception(exception, self._limits.log_value_length, self._redact)
                attributes = {**described, **(attributes or {})}
            clean, dropped, large = cleaned(
                attributes, self._limits.log_attributes, self._limits.log_value_length
            )
            self._counts.attributes_dropped += dropped
            severity = 0 if severity_number is None else severity_number.value
            data = LogRecord(
                scope=self._scope,
                time_ns=_moment(timestamp, now),
                observed_ns=_moment(observed_timestamp, now),
                body=clean_body(body, self._limits.log_value_length),
                severity_number=severity,
                severity_text=safe_text(severity_text or "", 64),
                attributes=clean,
                dropped_attributes=dropped,
                trace_id=trace_id,
                span_id=span_id,
                flags=flags,
                event_name=safe_text(event_name or "", 256),
            )
            self._sink(data, severity >= _ERROR_SEVERITY, large)
        except Exception:
            self._counts.errors["log"] += 1

    def enabled(
        self,
        *,
        context: Context | None = None,
        severity_number: api.SeverityNumber | None = None,
        event_name: str | None = None,
    ) -> bool:
        return not self._disabled


class LoggerProvider(api.LoggerProvider):
    """Hands out loggers."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits,
        counts: Counts,
        sink: LogSink,
        *,
        disabled: bool = False,
        redact: Redact = as_it_is,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._counts = counts
        self._sink = sink
        self._disabled = disabled
        self._redact = redact
        self._loggers: dict[tuple[str, str, str], Logger] = {}

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Logger:
        key = (
            safe_text(name or "", MAX_NAME),
            safe_text(version or "", MAX_NAME),
            safe_text(schema_url or "", MAX_NAME),
        )
        logger = self._loggers.get(key) if not attributes else None
        if logger is None:
            clean, _, _ = cleaned(attributes, 128, 1024)
            logger = Logger(
                Scope(*key, clean),
                self._clock,
                self._limits,
                self._counts,
                self._sink,
                disabled=self._disabled,
                redact=self._redact,
            )
            if not attributes:
                self._loggers[key] = logger
        return logger


def _moment(given: object, now_ns: int) -> int:
    """The time that was given, if it is one."""
    return given if type(given) is int and 0 <= given < END_OF_TIME_NS else now_ns


def clean_body(body: Any, length_limit: int) -> Any:
    """A JSON-like value of bounded size: what is cyclic, too deep, too much or of a foreign type becomes text."""
    if body is None or isinstance(body, str):
        return body and clean_text(body, length_limit)  # what follows leaves a reference cycle behind
    room = _MAX_NODES

    def visit(value: Any, depth: int) -> Any:
        nonlocal room
        room -= 1
        if isinstance(value, str):
            return clean_text(value, length_limit)
        if value is None or isinstance(value, bytes):
            return value if value is None else value[:length_limit]
        if depth < _MAX_DEPTH and room > 0:
            if isinstance(value, Mapping):
                pairs = islice(value.items(), min(room, _MAX_ITEMS))
                return {safe_text(key, 256): visit(held, depth + 1) for key, held in pairs}
            if isinstance(value, (list, tuple)):
                return [visit(held, depth + 1) for held in value[: min(room, _MAX_ITEMS)]]
        clean = clean_value(value, length_limit)
        return clean_text(type(value).__name__, 256) if clean is None else clean

    return visit(body, 0)
