"""Trace context and baggage in headers, by OpenTelemetry's own propagators, picked by OTEL_PROPAGATORS."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from opentelemetry import trace as api
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PROPAGATORS: Mapping[str, type[TextMapPropagator]] = {
    "tracecontext": TraceContextTextMapPropagator,
    "baggage": W3CBaggagePropagator,
}

_QUOTING = (
    "opentelemetry.baggage.propagation",
    "opentelemetry.trace.propagation.tracecontext",
    "opentelemetry.trace.span",
)
"""Loggers of the API that quote malformed headers: whoever calls us could write what they like into our logs."""


class Propagation:
    """Reads and writes the headers. Header names in carriers are lower case."""

    __slots__ = ("_propagators",)

    def __init__(self, names: Sequence[str]) -> None:
        for logger in _QUOTING:
            logging.getLogger(logger).setLevel(logging.ERROR)
        self._propagators = [PROPAGATORS[name]() for name in names]

    def extract(self, headers: Mapping[str, Any]) -> Context:
        """The caller's context; an empty one where headers are absent or malformed. Never raises."""
        context = Context()
        for propagator in self._propagators:
            try:
                if propagator.fields.isdisjoint(headers):  # most requests carry neither
                    continue
                context = propagator.extract(headers, context)
            except Exception:  # noqa: S112 # a malformed header means no context, whatever it did to the parser
                continue
        return context

    def inject(
        self, span: api.Span | None, carrier: MutableMapping[str, Any], context: Context | None = None
    ) -> None:
        """Write the span's context, and the baggage of `context` (the current one by default), into the carrier."""
        whole = context if span is None else api.set_span_in_context(span, context)
        for propagator in self._propagators:
            propagator.inject(carrier, whole)
