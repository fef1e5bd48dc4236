"""The span that records nothing: it stands for every span below a root that was not sampled.

It carries the root's context, for propagation, and costs nothing to use. Where the root is watched (`watched.py`), it
tells it of what makes the request worth showing after all: errors and `keep`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, TraceState

from lumigate.telemetry.span import Span

if TYPE_CHECKING:
    from lumigate.telemetry.watched import WatchedRoot


class UnsampledSpan(Span):
    """Not recording. `watched_by`: the root that wants to know of errors, if there is one."""

    __slots__ = ("_context", "_flags", "_span_id", "_trace_id", "_trace_state", "_watched_by")

    def __init__(
        self,
        trace_id: int,
        span_id: int,
        flags: int,
        trace_state: TraceState | None,
        watched_by: WatchedRoot | None = None,
    ) -> None:
        self._trace_id = trace_id
        self._span_id = span_id
        self._flags = flags
        self._trace_state = trace_state
        self._watched_by = watched_by
        self._context: SpanContext | None = None

    def get_span_context(self) -> SpanContext:
        if self._context is None:
            self._context = SpanContext(
                self._trace_id, self._span_id, False, TraceFlags(self._flags & 0xFF), self._trace_state
            )
        return self._context

    def keep(self, reason: str) -> None:
        if self._watched_by is not None:
            self._watched_by.keep(reason)

    @property
    def kept(self) -> bool:
        return False

    def end(self, end_time: int | None = None) -> None:
        pass

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        pass

    def set_attribute(self, key: str, value: Any) -> None:
        pass

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        pass

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        pass

    def update_name(self, name: str) -> None:
        pass

    def is_recording(self) -> bool:
        return False

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self._watched_by is not None and is_error(status):
            self._watched_by.failed_below()

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        if self._watched_by is not None:
            self._watched_by.record_exception(exception, attributes, timestamp, escaped)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None:
            self.record_escape(exc_val)
        self.end()

    def record_escape(self, exception: BaseException) -> None:
        """What leaving a `with` block by an exception records."""
        if self._watched_by is not None:
            self._watched_by.record_exception(exception, escaped=True)
            self._watched_by.failed_below()


def is_error(status: object) -> bool:
    """Whether setting this status marks a failure."""
    return (status.status_code if isinstance(status, Status) else status) is StatusCode.ERROR
