"""Base-2 exponential histograms: buckets that fit themselves to what is measured.

Bucket `i` of scale `s` holds the values in (base^i, base^(i+1)] with base = 2^(2^-s). When the buckets of one sign span
more than 160 indexes, the scale is lowered, which merges neighbours; so counts are never lost, only resolution.
https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry import context as context_api
from opentelemetry import metrics as api
from opentelemetry.context import Context
from opentelemetry.trace import Span
from opentelemetry.trace.propagation import _SPAN_KEY

from lumigate.telemetry.aggregation import EXPORT, SHARD, TakenExemplar, to_exemplar
from lumigate.telemetry.instruments import HIGHEST, Instrument
from lumigate.telemetry.records import AttributeValue, Exemplar, ExponentialHistogramPoint
from lumigate.telemetry.streams import MetricSettings, Stream, StreamIdentity

MAX_BUCKETS: Final = 160
MAX_SCALE: Final = 20
MIN_SCALE: Final = -10


@dataclass(slots=True)
class _Counted:
    """Counts at one scale; a snapshot can be brought to a lower scale and subtracted."""

    scale: int = MAX_SCALE
    zero: int = 0
    sum: float = 0.0
    positive: dict[int, int] = field(default_factory=dict[int, int])
    negative: dict[int, int] = field(default_factory=dict[int, int])

    def copy(self) -> _Counted:
        return _Counted(self.scale, self.zero, self.sum, self.positive.copy(), self.negative.copy())

    def total(self) -> int:
        return self.zero + sum(self.positive.values()) + sum(self.negative.values())

    def lower_to(self, scale: int) -> None:
        shift = self.scale - scale
        self.positive, self.negative = _merged(self.positive, shift), _merged(self.negative, shift)
        self.scale = scale

    def subtract(self, earlier: _Counted) -> None:
        before = earlier.copy()
        before.lower_to(self.scale)
        self.zero -= before.zero
        self.sum -= before.sum
        for mine, theirs in ((self.positive, before.positive), (self.negative, before.negative)):
            for index, count in theirs.items():
                mine[index] -= count
                if not mine[index]:
                    del mine[index]


class ExponentialPoint:
    """One attribute set's exponential histogram."""

    __slots__ = ("_counted", "_exemplar", "_max", "_min", "_seen", "attributes", "idle", "size")

    def __init__(self, attributes: Mapping[str, AttributeValue], size: int) -> None:
        self.attributes = attributes
        self.size = size
        self.idle = 0
        self._counted = _Counted()
        self._exemplar: TakenExemplar | None = None
        self._min, self._max = math.inf, -math.inf
        self._seen: list[_Counted | None] = [None, None]

    def record(self, value: float, exemplar: TakenExemplar | None) -> None:
        counted = self._counted
        counted.sum += value
        self._min, self._max = min(self._min, value), max(self._max, value)
        if exemplar is not None:
            self._exemplar = exemplar
        if value == 0:
            counted.zero += 1
            return
        side = counted.positive if value > 0 else counted.negative
        index = index_of(abs(value), counted.scale)
        if index in side:
            side[index] += 1
            return
        side[index] = 1
        scale = counted.scale
        low, high = min(side), max(side)
        while high - low >= MAX_BUCKETS and scale > MIN_SCALE:
            low, high, scale = low >> 1, high >> 1, scale - 1
        if scale != counted.scale:
            counted.lower_to(scale)

    def take(
        self, reader: int, start_ns: int, now_ns: int, *, delta: bool
    ) -> ExponentialHistogramPoint | None:
        seen, counted = self._seen[reader], self._counted.copy()
        if delta and seen is not None:
            counted.subtract(seen)
            if not counted.total():
                return None
        self._seen[reader] = self._counted.copy()
        exemplars: tuple[Exemplar, ...] = () if self._exemplar is None else (to_exemplar(self._exemplar),)
        count = counted.total()
        low, high = (None, None) if reader == SHARD or not count else (float(self._min), float(self._max))
        if reader == EXPORT:
            self._exemplar = None
            if delta:
                self._min, self._max = math.inf, -math.inf
        positive_offset, positive = _dense(counted.positive)
        negative_offset, negative = _dense(counted.negative)
        return ExponentialHistogramPoint(
            attributes=self.attributes,
            start_ns=start_ns,
            time_ns=now_ns,
            count=count,
            sum=float(counted.sum),
            scale=counted.scale,
            zero_count=counted.zero,
            positive_offset=positive_offset,
            positive_counts=positive,
            negative_offset=negative_offset,
            negative_counts=negative,
            min=low,
            max=high,
            exemplars=exemplars,
        )

    def is_read_by(self, reader: int) -> bool:
        seen = self._seen[reader]
        return seen is not None and seen.total() == self._counted.total()


class ExponentialHistogram(Instrument, api.Histogram):
    """A distribution over buckets that choose themselves."""

    stream: Stream[ExponentialPoint]

    def __init__(self, identity: StreamIdentity, settings: MetricSettings) -> None:
        self._init(Stream(identity, settings, ExponentialPoint))

    def record(
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
            amount = float(amount)
        except Exception:
            stream.misuse("bad_amount", type(amount).__name__)
            return
        given = {} if attributes is None else attributes
        try:
            point = stream.points[stream.key_of(given)]
        except Exception:  # not seen before; or no mapping, not hashable, of a class that fails
            point = stream.find(given)
        taken = None
        if self._exemplars:
            around = span or (context_api.get_current() if context is None else context).get(_SPAN_KEY)
            taken = self._taken(amount, around)
        point.record(amount, taken)


def index_of(value: float, scale: int) -> int:
    """The bucket of a positive value: its upper bound is inclusive."""
    mantissa, exponent = math.frexp(value)
    # value = mantissa * 2^exponent with mantissa in [0.5, 1); a power of two lies on the bound of the bucket below
    if scale <= 0:
        return (exponent - 2 if mantissa == 0.5 else exponent - 1) >> -scale
    if mantissa == 0.5:
        return ((exponent - 1) << scale) - 1
    # the fraction is mapped alone, so that the exponent costs no precision
    within = math.floor(math.log2(mantissa * 2) * (1 << scale))
    return ((exponent - 1) << scale) + min(max(within, 0), (1 << scale) - 1)


def _merged(counts: dict[int, int], shift: int) -> dict[int, int]:
    merged: dict[int, int] = {}
    for index, count in counts.items():
        merged[index >> shift] = merged.get(index >> shift, 0) + count
    return merged


def _dense(counts: dict[int, int]) -> tuple[int, list[int]]:
    if not counts:
        return 0, []
    low, high = min(counts), max(counts)
    return low, [counts.get(index, 0) for index in range(low, high + 1)]
