"""Synchronous instruments: OpenTelemetry's, with a `span` argument for exemplars without context variables.

The hot path is one dictionary lookup and an addition. A measurement that cannot be taken (not a number, not finite,
negative for a counter) is counted and forgotten; nothing raises.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as context_api
from opentelemetry import metrics as api
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

from lumigate.telemetry.aggregation import BucketsPoint, GaugePoint, SumPoint, TakenExemplar
from lumigate.telemetry.span import RecordingSpan
from lumigate.telemetry.streams import MetricSettings, Stream, StreamIdentity

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_NOTHING: Final[Mapping[str, Any]] = {}
HIGHEST: Final = 1e300
"""The largest amount that is measured: sums of such stay far from infinity."""
_MAX_BOUNDS: Final = 200
DEFAULT_BOUNDS: Final = tuple(
    map(float, (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000))
)
"""The specification's default boundaries."""


class Instrument:
    """Any synchronous instrument: `add`, `record` or `set`, whichever its kind has; the others are counted misuse."""

    stream: Stream[Any]
    _exemplars: bool
    _always: bool

    def _init(self, stream: Stream[Any]) -> None:
        self.stream = stream
        self._exemplars = stream.settings.exemplar_filter != "always_off"
        self._always = stream.settings.exemplar_filter == "always_on"

    def add(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
        *,
        span: Span | None = None,
    ) -> None:
        self.stream.misuse("wrong_kind", "add")

    def record(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
        *,
        span: Span | None = None,
    ) -> None:
        self.stream.misuse("wrong_kind", "record")

    def set(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
        *,
        span: Span | None = None,
    ) -> None:
        self.stream.misuse("wrong_kind", "set")

    def _taken(self, amount: float, span: object) -> TakenExemplar | None:
        """The measurement with its span, if that is sampled."""
        if type(span) is RecordingSpan and span.flags & 1:
            # the trace's last stamp serves as the time: the clock of a Worker does not move between I/O anyway
            return (amount, span._trace.last_ns, span.trace_id, span.span_id)
        if self._always:
            return (amount, self.stream.settings.now_ns(), 0, 0)
        return None


class _Adding(Instrument):
    stream: Stream[SumPoint]
    _lowest = -HIGHEST

    def add(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
        *,
        span: Span | None = None,
    ) -> None:
        stream = self.stream
        if attributes is None:
            attributes = _NOTHING
        try:
            point = stream.points[stream.key_of(attributes)]
            size = len(attributes)
        except Exception:  # not seen before; or no mapping, not hashable, of a class that fails
            point = stream.find(attributes)
            size = point.size
        try:
            # false for NaN too, and for an integer that no float can hold
            if not self._lowest <= amount <= HIGHEST:
                raise ValueError
            point.value += amount
        except Exception:
            stream.misuse("bad_amount", type(amount).__name__)
            return
        if self._exemplars:
            around = span or (context_api.get_current() if context is None else context).get(_SPAN_KEY)
            if around is not None or self._always:
                taken = self._taken(amount, around)
                if taken is not None:
                    point.exemplar = taken
        if size != point.size and point.size >= 0:
            stream.undeclared(attributes)


class Counter(_Adding, api.Counter):
    """A sum that only grows."""

    _lowest = 0.0

    def __init__(self, stream: Stream[SumPoint]) -> None:
        self._init(stream)


class UpDownCounter(_Adding, api.UpDownCounter):
    """A sum that goes up and down."""

    def __init__(self, stream: Stream[SumPoint]) -> None:
        self._init(stream)


class Gauge(Instrument, api._Gauge):
    """A value that is set."""

    stream: Stream[GaugePoint]

    def __init__(self, stream: Stream[GaugePoint]) -> None:
        self._init(stream)

    def set(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
        *,
        span: Span | None = None,
    ) -> None:
        stream = self.stream
        try:
            if not -HIGHEST <= amount <= HIGHEST:
                raise ValueError
        except Exception:
            stream.misuse("bad_amount", type(amount).__name__)
            return
        given = _NOTHING if attributes is None else attributes
        try:
            point = stream.points[stream.key_of(given)]
        except Exception:  # not seen before; or no mapping, not hashable, of a class that fails
            point = stream.find(given)
        point.set(amount)
        if self._exemplars:
            around = span or (context_api.get_current() if context is None else context).get(_SPAN_KEY)
            point.exemplar = self._taken(amount, around)


class Histogram(Instrument, api.Histogram):
    """A distribution over explicit buckets."""

    stream: Stream[BucketsPoint]

    def __init__(self, stream: Stream[BucketsPoint], bounds: Sequence[float]) -> None:
        self._init(stream)
        self._bounds = tuple(bounds)

    def record(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
        *,
        span: Span | None = None,
    ) -> None:
        stream = self.stream
        if attributes is None:
            attributes = _NOTHING
        try:
            point = stream.points[stream.key_of(attributes)]
            size = len(attributes)
        except Exception:  # not seen before; or no mapping, not hashable, of a class that fails
            point = stream.find(attributes)
            size = point.size
        try:
            if not -HIGHEST <= amount <= HIGHEST:
                raise ValueError
            bucket = bisect_left(self._bounds, amount)
            point.sum += amount
        except Exception:
            stream.misuse("bad_amount", type(amount).__name__)
            return
        point.counts[bucket] += 1
        if amount < point.min:  # noqa: PLR1730 # min() costs three times as much, on the hot path
            point.min = amount
        if amount > point.max:  # noqa: PLR1730
            point.max = amount
        if self._exemplars:
            around = span or (context_api.get_current() if context is None else context).get(_SPAN_KEY)
            if around is not None or self._always:
                taken = self._taken(amount, around)
                if taken is not None:
                    point.exemplars[bucket] = taken
        if size != point.size and point.size >= 0:
            stream.undeclared(attributes)


def histogram_stream(
    identity: StreamIdentity, settings: MetricSettings, bounds: Sequence[float]
) -> Histogram:
    fixed = _increasing(bounds)
    return Histogram(Stream(identity, settings, lambda attrs, size: BucketsPoint(attrs, size, fixed)), fixed)


def _increasing(bounds: Sequence[float]) -> tuple[float, ...]:
    """The boundaries as they must be, for whoever reads them; the default ones if there is no sense in these."""
    try:
        return tuple(sorted({float(bound) for bound in bounds if isfinite(bound)}))[:_MAX_BOUNDS]
    except Exception:
        return DEFAULT_BOUNDS
