"""The points of one instrument: which attribute sets exist, how many may, and what a reader collects.

An attribute set is looked at closely when it is seen for the first time; after that a measurement costs one dictionary
lookup. Sets beyond the cardinality limit share one point marked `otel.metric.overflow`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from lumigate.telemetry.aggregation import EXPORT, SHARD, Point
from lumigate.telemetry.attributes import cleaned, safe_text
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.errors import MisuseError
from lumigate.telemetry.records import CUMULATIVE, DELTA, MetricData, MetricKind, PointAttributes, Scope
from lumigate.telemetry.schema import OTHER, Attribute

if TYPE_CHECKING:
    from lumigate.telemetry.records import AttributeValue

OVERFLOW: Final = "otel.metric.overflow"
DEFAULT_CARDINALITY: Final = 2000
_IDLE_COLLECTIONS: Final = 20
"""A delta point unused for so many collections is forgotten, so that a long-lived isolate does not fill up."""
_VALUE_LENGTH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdentity:
    """What a metric is called, and how its points combine."""

    scope: Scope
    name: str
    unit: str
    description: str
    kind: MetricKind
    monotonic: bool = False
    attributes: tuple[Attribute, ...] | None = None
    """Declared attributes in order; None accepts any."""
    cardinality_limit: int = DEFAULT_CARDINALITY


@dataclass(slots=True, kw_only=True)
class MetricSettings:
    """What all streams of an engine share."""

    counts: Counts
    now_ns: Callable[[], int]
    temporality: int = DELTA
    exemplar_filter: str = "trace_based"
    histogram: str = "explicit_bucket_histogram"
    strict: bool = False


class Stream[P: Point]:
    """The points of one instrument."""

    __slots__ = (
        "_begun_ns",
        "_distinct",
        "_export_reads",
        "_new_point",
        "_overflow",
        "_since_ns",
        "identity",
        "key_of",
        "keys",
        "points",
        "settings",
        "shard_reads",
    )

    def __init__(
        self,
        identity: StreamIdentity,
        settings: MetricSettings,
        new_point: Callable[[Mapping[str, AttributeValue], int], P],
    ) -> None:
        self.identity = identity
        self.settings = settings
        self.keys = None if identity.attributes is None else tuple(a.key for a in identity.attributes)
        self.key_of = _key_function(self.keys)
        """From attributes as given to the key of `points`. Raises what `find` is there for."""
        self.points: dict[Hashable, P] = {}
        """By the attributes as they were given: several ways of giving may lead to one point."""
        self.shard_reads = False
        self._export_reads = False
        self._distinct: dict[Hashable, P] = {}
        self._overflow: P | None = None
        self._new_point = new_point
        self._begun_ns = 0
        self._since_ns = [0, 0]

    def find(self, attributes: Mapping[str, Any] | None) -> P:
        """The point for these attributes. The hot path is in the instruments; this is for the first sight."""
        if not isinstance(attributes, Mapping):
            if attributes is not None:
                self.misuse("attributes_not_a_mapping")
            attributes = {}
        if self.keys is not None and any(key not in attributes for key in self.keys):
            self.key_of = self.raw_key  # some are optional here
        if not self._begun_ns:
            self._begun_ns = self.settings.now_ns()
        try:
            declared = self.identity.attributes is not None
            clean = self._declared(attributes) if declared else self._any(attributes)
        except MisuseError:
            raise
        except Exception:
            self.misuse("bad_attributes")
            attributes, clean = {}, {}
        key = self._canonical(clean)
        point = self._distinct.get(key)
        if point is None:
            # the overflow set is one of the limit's sets
            if len(self._distinct) >= self.identity.cardinality_limit - 1:
                if self._overflow is None:
                    self._overflow = self._new_point(PointAttributes({OVERFLOW: True}), -1)
                self.settings.counts.drop("metrics", "cardinality")
                point = self._overflow
            else:
                point = self._distinct[key] = self._new_point(PointAttributes(clean), len(attributes))
        if len(self.points) < 4 * self.identity.cardinality_limit:
            with suppress(Exception):  # an unhashable value: found the slow way each time
                self.points[self.raw_key(attributes)] = point
        return point

    def raw_key(self, attributes: Mapping[str, Any]) -> Hashable:
        """The key of declared attributes of which some may be missing. Raises TypeError for unhashable values."""
        if self.keys is None:
            return frozenset(attributes.items())
        return tuple(map(attributes.get, self.keys))

    def undeclared(self, attributes: Mapping[str, Any]) -> None:
        """Called for a known attribute set that came with another number of keys than at first sight."""
        for key in attributes:
            if self.keys is not None and key not in self.keys:
                self.settings.counts.attributes_dropped += 1
                self.misuse("undeclared_attribute", str(key))

    def collect(self, reader: int, now_ns: int) -> MetricData | None:
        """What the reader has not seen yet, or all of it where the stream is cumulative; None if that is nothing."""
        self.observe()
        identity = self.identity
        delta = reader == SHARD or (
            self.settings.temporality == DELTA and (identity.monotonic or identity.kind != "sum")
        )
        self.shard_reads = self.shard_reads or reader == SHARD
        self._export_reads = self._export_reads or reader == EXPORT
        start_ns = self._since_ns[reader] if delta and self._since_ns[reader] else self._begun_ns
        every = [*self._distinct.values()]
        if self._overflow is not None:
            every.append(self._overflow)
        taken = []
        for point in every:
            data = point.take(reader, min(start_ns, now_ns), now_ns, delta=delta)
            if data is not None:
                taken.append(data)
                point.idle = 0
        self._since_ns[reader] = now_ns
        # in the exporter's rhythm; in the shard's, where the shard takes everything
        if delta and identity.kind != "gauge" and (reader == EXPORT or not self._export_reads):
            self._forget_idle()
        if not taken:
            return None
        return MetricData(
            scope=identity.scope,
            name=identity.name,
            unit=identity.unit,
            description=identity.description,
            kind=identity.kind,
            points=taken,
            temporality=DELTA if delta else CUMULATIVE,
            monotonic=identity.monotonic,
        )

    def observe(self) -> None:
        """Hook of observable instruments: bring the points up to date before a collection."""

    def misuse(self, kind: str, detail: str = "") -> None:
        self.settings.counts.misuse[kind] += 1
        if self.settings.strict:
            raise MisuseError(kind, f"{self.identity.name} {detail}".strip())

    def _declared(self, attributes: Mapping[str, Any]) -> dict[str, AttributeValue]:
        assert self.identity.attributes is not None
        clean: dict[str, AttributeValue] = {}
        for attribute in self.identity.attributes:
            value = attributes.get(attribute.key)
            if value is None:
                continue
            if attribute.values is not None:
                text = safe_text(value, _VALUE_LENGTH)
                clean[attribute.key] = text if text in attribute.values else OTHER
            elif attribute.type is str:
                clean[attribute.key] = safe_text(value, _VALUE_LENGTH)
            elif type(value) is attribute.type:
                clean[attribute.key] = value
            else:
                try:
                    clean[attribute.key] = attribute.type(value)
                except Exception:
                    clean[attribute.key] = OTHER
        self.undeclared(attributes)
        return clean

    def _any(self, attributes: Mapping[str, Any]) -> dict[str, AttributeValue]:
        clean, dropped, _ = cleaned(attributes, 128, _VALUE_LENGTH)
        self.settings.counts.attributes_dropped += dropped
        return clean

    def _canonical(self, clean: Mapping[str, AttributeValue]) -> Hashable:
        return frozenset(
            (key, tuple(value) if isinstance(value, list) else value, type(value))
            for key, value in clean.items()
        )

    def _forget_idle(self) -> None:
        forgotten: list[Hashable] = []
        for key, point in self._distinct.items():
            point.idle += 1
            if point.idle > _IDLE_COLLECTIONS and (not self.shard_reads or point.is_read_by(SHARD)):
                forgotten.append(key)
        if forgotten:
            gone = {id(self._distinct.pop(key)) for key in forgotten}
            # there is room again: sets that had overflowed are looked at anew
            gone.add(id(self._overflow))
            self.points = {key: point for key, point in self.points.items() if id(point) not in gone}


def _key_function(keys: tuple[str, ...] | None) -> Callable[[Mapping[str, Any]], Hashable]:
    if keys is None:
        return _all_items
    if len(keys) < 2:
        return lambda attributes: tuple(map(attributes.get, keys))
    # the fastest by far, as long as every attribute is given
    return itemgetter(*keys)


def _all_items(attributes: Mapping[str, Any]) -> Hashable:
    return frozenset(attributes.items())
