"""The meter provider: instruments by OpenTelemetry's API or by declaration, and their collection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackT

from lumigate.telemetry.aggregation import EXPORT, SHARD, GaugePoint, SumPoint
from lumigate.telemetry.attributes import cleaned, safe_text
from lumigate.telemetry.exponential import ExponentialHistogram
from lumigate.telemetry.instruments import (
    DEFAULT_BOUNDS,
    Counter,
    Gauge,
    Histogram,
    Instrument,
    UpDownCounter,
    histogram_stream,
)
from lumigate.telemetry.observables import (
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    ObservedStream,
)
from lumigate.telemetry.records import MetricData, Scope
from lumigate.telemetry.schema import InstrumentKind, Metric
from lumigate.telemetry.streams import MetricSettings, Stream, StreamIdentity

_MAX_NAME: Final = 255
_NAME: Final = re.compile(r"[a-zA-Z][-_./a-zA-Z0-9]{0,254}")


class MeterProvider(api.MeterProvider):
    """Owns every metric stream of the engine."""

    def __init__(
        self,
        settings: MetricSettings,
        scope: Scope,
        declared: Iterable[Metric] = (),
        *,
        disabled: bool = False,
    ) -> None:
        self.settings = settings
        self._scope = scope
        self._disabled = disabled
        self._instruments: dict[tuple[Scope, str], Any] = {}
        self._declared = {metric.name: metric for metric in declared}

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> api.Meter:
        if self._disabled:
            return api.NoOpMeter(name)
        clean, _, _ = cleaned(attributes, 128, 1024)
        texts = [safe_text(text or "", _MAX_NAME) for text in (name, version, schema_url)]
        return Meter(self, Scope(texts[0], texts[1], texts[2], clean))

    def instrument(self, declaration: Metric | str) -> Instrument:
        """The instrument of a declaration (or of a declared name). Always the same object for the same name."""
        metric = self._declared[declaration] if isinstance(declaration, str) else declaration
        instrument = self._instruments.get((self._scope, metric.name.lower()))
        if instrument is None:
            instrument = self._instruments[self._scope, metric.name.lower()] = self._make(metric)
        made: Instrument = instrument
        return made

    def collect(self, now_ns: int) -> list[MetricData]:
        """What the exporter is to send now."""
        return self._collect(EXPORT, now_ns)

    def collect_deltas(self, now_ns: int) -> list[MetricData]:
        """What the counter shard has not been sent yet: everything as deltas, whatever is exported elsewhere."""
        return self._collect(SHARD, now_ns)

    def register(self, scope: Scope, name: str, instrument: Any) -> Any:
        """The instrument of that name in that scope: the first one made stays."""
        # names are case-insensitive: https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax
        key = (scope, name.lower())
        existing = self._instruments.setdefault(key, instrument)
        if type(existing) is not type(instrument):
            self.settings.counts.misuse["instrument_conflict"] += 1
            return instrument
        return existing

    def histogram(
        self, identity: StreamIdentity, bounds: Sequence[float] | None
    ) -> Histogram | ExponentialHistogram:
        """With explicit bounds where there are some; else as the settings say."""
        if bounds is None and self.settings.histogram != "explicit_bucket_histogram":
            return ExponentialHistogram(replace(identity, kind="exponential_histogram"), self.settings)
        return histogram_stream(identity, self.settings, DEFAULT_BOUNDS if bounds is None else bounds)

    def _collect(self, reader: int, now_ns: int) -> list[MetricData]:
        found: list[MetricData] = []
        if self._disabled:
            return found
        for instrument in list(self._instruments.values()):  # a callback may make instruments
            try:
                data = instrument.stream.collect(reader, now_ns)
            except (
                Exception
            ) as error:  # what the others have measured has been taken already, and would be lost
                self.settings.counts.errors["collect"] += 1
                if self.settings.strict:
                    raise error from None
                continue
            if data is not None:
                found.append(data)
        return found

    def _make(self, metric: Metric) -> Instrument:
        counter = metric.kind is InstrumentKind.COUNTER
        kinds = {InstrumentKind.HISTOGRAM: "histogram", InstrumentKind.GAUGE: "gauge"}
        identity = StreamIdentity(
            scope=self._scope,
            name=metric.name,
            unit=metric.unit,
            description=metric.description,
            kind=kinds.get(metric.kind, "sum"),  # type: ignore[arg-type]
            monotonic=counter,
            attributes=metric.attributes,
            cardinality_limit=metric.cardinality_limit,
        )
        if metric.kind is InstrumentKind.HISTOGRAM:
            return self.histogram(identity, metric.buckets or None)
        if metric.kind is InstrumentKind.GAUGE:
            return Gauge(Stream(identity, self.settings, GaugePoint))
        stream = Stream(identity, self.settings, SumPoint)
        return Counter(stream) if counter else UpDownCounter(stream)


class Meter(api.Meter):
    """Makes instruments for one instrumentation scope."""

    def __init__(self, provider: MeterProvider, scope: Scope) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url)
        self._provider = provider
        self._scope = scope

    def create_counter(self, name: str, unit: str = "", description: str = "") -> api.Counter:
        identity = self._identity(name, unit, description, "sum", monotonic=True)
        made = Counter(Stream(identity, self._provider.settings, SumPoint))
        return self._registered(name, made)  # type: ignore[no-any-return]

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> api.UpDownCounter:
        identity = self._identity(name, unit, description, "sum")
        made = UpDownCounter(Stream(identity, self._provider.settings, SumPoint))
        return self._registered(name, made)  # type: ignore[no-any-return]

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> api.Histogram:
        identity = self._identity(name, unit, description, "histogram")
        made = self._provider.histogram(identity, explicit_bucket_boundaries_advisory)
        return self._registered(name, made)  # type: ignore[no-any-return]

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> api._Gauge:
        identity = self._identity(name, unit, description, "gauge")
        made = Gauge(Stream(identity, self._provider.settings, GaugePoint))
        return self._registered(name, made)  # type: ignore[no-any-return]

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> api.ObservableCounter:
        identity = self._identity(name, unit, description, "sum", monotonic=True)
        made = ObservableCounter(ObservedStream(identity, self._provider.settings, callbacks))
        return self._registered(name, made)  # type: ignore[no-any-return]

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> api.ObservableUpDownCounter:
        identity = self._identity(name, unit, description, "sum")
        made = ObservableUpDownCounter(ObservedStream(identity, self._provider.settings, callbacks))
        return self._registered(name, made)  # type: ignore[no-any-return]

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> api.ObservableGauge:
        identity = self._identity(name, unit, description, "gauge")
        made = ObservableGauge(ObservedStream(identity, self._provider.settings, callbacks))
        return self._registered(name, made)  # type: ignore[no-any-return]

    def _identity(
        self, name: str, unit: str, description: str, kind: Any, *, monotonic: bool = False
    ) -> StreamIdentity:
        return StreamIdentity(
            scope=self._scope,
            name=safe_text(name, 255),
            unit=safe_text(unit or "", 63),
            description=safe_text(description or "", 1024),
            kind=kind,
            monotonic=monotonic,
        )

    def _registered(self, name: str, instrument: Any) -> Any:
        if not _NAME.fullmatch(safe_text(name, 300)):
            # it works, but is exported nowhere
            self._provider.settings.counts.misuse["bad_instrument_name"] += 1
            return instrument
        return self._provider.register(self._scope, name, instrument)
