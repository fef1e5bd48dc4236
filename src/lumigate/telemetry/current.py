"""`with tracer.start_as_current_span(…)`, or the same as a decorator of functions and coroutines."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

from lumigate.telemetry.span import RecordingSpan, Span
from lumigate.telemetry.unsampled import UnsampledSpan


class CurrentSpan:
    """`with` (or a decorator, for functions and coroutines) that starts a span and makes it the current one."""

    __slots__ = ("_end_on_exit", "_span", "_start", "_token")

    def __init__(self, start: Callable[[], Span], end_on_exit: bool) -> None:
        self._start = start
        self._end_on_exit = end_on_exit

    def __enter__(self) -> Span:
        span = self._span = self._start()
        # as the API's set_value does, with one copy of the context instead of two
        context = Context(context_api.get_current())
        dict.__setitem__(context, _SPAN_KEY, span)
        self._token = context_api.attach(context)
        return span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        context_api.detach(self._token)
        span = self._span
        # as in the API's use_span: leaving by GeneratorExit or CancelledError is not an error
        if isinstance(exc_val, Exception) and (
            isinstance(span, UnsampledSpan) or (type(span) is RecordingSpan and not span.end_ns)
        ):
            span.record_escape(exc_val)
        if self._end_on_exit:
            span.end()

    def __call__[**P, R](self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                with CurrentSpan(self._start, self._end_on_exit):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", traced_coroutine)

        @functools.wraps(function)
        def traced(*args: P.args, **kwargs: P.kwargs) -> R:
            with CurrentSpan(self._start, self._end_on_exit):
                return function(*args, **kwargs)

        return traced
