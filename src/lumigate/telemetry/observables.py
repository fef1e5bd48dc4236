"""Asynchronous instruments: their callbacks are asked at each collection."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackOptions, CallbackT, Observation

from lumigate.telemetry.aggregation import GaugePoint, SumPoint
from lumigate.telemetry.instruments import HIGHEST
from lumigate.telemetry.streams import MetricSettings, Stream, StreamIdentity


class ObservedStream(Stream[Any]):
    """A stream whose points are set from what callbacks observe."""

    __slots__ = ("_callbacks",)

    def __init__(
        self, identity: StreamIdentity, settings: MetricSettings, callbacks: Sequence[CallbackT] | None
    ) -> None:
        super().__init__(identity, settings, GaugePoint if identity.kind == "gauge" else SumPoint)
        self._callbacks = [_as_function(callback) for callback in callbacks or ()]

    def observe(self) -> None:
        for callback in self._callbacks:
            try:
                for observation in callback(CallbackOptions()):
                    self._take(observation)
            except Exception as error:
                # a callback is the application's code: its failure must not cost the other metrics
                self.settings.counts.misuse["callback_failed"] += 1
                if self.settings.strict:
                    raise error from None

    def _forget_idle(self) -> None:
        """Nothing: what is observed is a total, and one that was forgotten would be counted again."""

    def _take(self, observation: Observation) -> None:
        value: object = observation.value
        if not isinstance(value, (int, float)) or not -HIGHEST <= value <= HIGHEST:
            self.misuse("bad_amount", type(value).__name__)
            return
        point = self.find(observation.attributes)
        if isinstance(point, GaugePoint):
            point.set(value)
        else:
            point.value = value


class ObservableCounter(api.ObservableCounter):
    """A growing sum that is read from somewhere else."""

    def __init__(self, stream: ObservedStream) -> None:
        self.stream = stream


class ObservableUpDownCounter(api.ObservableUpDownCounter):
    """A sum that goes up and down, read from somewhere else."""

    def __init__(self, stream: ObservedStream) -> None:
        self.stream = stream


class ObservableGauge(api.ObservableGauge):
    """A value that is read from somewhere else."""

    def __init__(self, stream: ObservedStream) -> None:
        self.stream = stream


def _as_function(callback: CallbackT) -> Any:
    """The API allows generators that are sent options and yield lists of observations."""
    if not isinstance(callback, Generator):
        return callback
    generator = callback
    started = False

    def ask(options: CallbackOptions) -> Iterable[Observation]:
        nonlocal started
        if not started:
            started = True
            first: Iterable[Observation] | None = next(generator)
            if first is not None:
                return first
        return generator.send(options)

    return ask
