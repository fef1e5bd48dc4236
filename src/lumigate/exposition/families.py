"""One shard's metrics as Prometheus families: what its part of the exposition says, still without its neighbours.

Every sample carries its shard's `service_instance_id`. Shards are not added up here: a sum of counters falls whenever
one of them starts anew or does not answer, and Prometheus would take the fall for a reset of the whole and count all of
it once more. Each shard's series is a counter by itself, resets included, and `sum by (…) (rate(…))` is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from lumigate.exposition.labels import INSTANCE, LabelWriter, escape, quoted_unless_legacy
from lumigate.exposition.names import (
    Type,
    bucket_label,
    open_metrics_number,
    translated_name,
    translated_unit,
    utf8_name,
)
from lumigate.exposition.negotiation import Format
from lumigate.telemetry.records import AttributeValue, Exemplar, HistogramPoint, MetricData, NumberPoint

type FamilyType = Type | str
_TARGET_INFO: Final = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """All samples of one name, as text. `name` is the family's in OpenMetrics: a counter's has no `_total`."""

    name: str
    type: FamilyType
    help: str
    unit: str
    samples: str


def families(
    metrics: Iterable[MetricData],
    form: Format,
    *,
    instance: str,
    resource: Mapping[str, AttributeValue] | None = None,
) -> list[Family]:
    """The families of one shard. `resource` is told in `target_info`, as Prometheus does with OTLP's.

    Two metrics that come to one name must agree in type: of those that do not, the last is kept. Two points that come
    to the same labels cannot both be told: the first is.
    """
    found: dict[str, Family] = {}
    told: dict[str, set[str]] = {}
    labels = LabelWriter(utf8=form.utf8)
    tail = f'{INSTANCE}="{escape(instance)}"'
    if resource:
        found[_TARGET_INFO] = _target_info(resource, form, labels, tail)
    for metric in metrics:
        kind = _type(metric)
        if kind is None:
            continue
        translate = utf8_name if form.utf8 else translated_name
        name = translate(metric.name, metric.unit, kind, level=metric.kind == "sum")
        if not name:
            continue
        family = name.removesuffix("_total") if kind == "counter" else name
        before = found.get(family)
        if before is None or before.type != kind:
            before, told[family] = None, set()
        samples = _SAMPLES[kind](_SampleWriter(name, family, form, labels, tail, told[family]), metric.points)
        found[family] = Family(
            name=family,
            type=kind,
            help=metric.description,
            unit=translated_unit(metric.unit),
            samples=samples if before is None else before.samples + samples,
        )
    return [family for family in found.values() if family.samples]


class _SampleWriter:
    """What the samples of one metric have in common."""

    __slots__ = ("_family", "_form", "_labels", "_name", "_tail", "_told")

    def __init__(
        self, name: str, family: str, form: Format, labels: LabelWriter, tail: str, told: set[str]
    ) -> None:
        self._name = name
        self._family = family
        self._form = form
        self._labels = labels
        self._tail = tail
        self._told = told

    def number(self, points: Iterable[NumberPoint]) -> str:
        opening, closing = _opening(self._name, self._form), "}"
        told, tail, text = self._told, self._tail, self._labels.text
        exemplars = self._form.open_metrics
        lines: list[str] = []
        for point in points:
            labels = text(point.attributes, tail)
            if labels in told:
                continue
            told.add(labels)
            after = _exemplar(point.exemplars[-1]) if exemplars and point.exemplars else ""
            lines.append(f"{opening}{labels}{closing} {_value(point.value)}{after}\n")
        return "".join(lines)

    def gauge(self, points: Iterable[NumberPoint]) -> str:
        # OpenMetrics has exemplars on counters and buckets only
        return self.number([NumberPoint(**_without_exemplars(p)) if p.exemplars else p for p in points])

    def histogram(self, points: Iterable[HistogramPoint]) -> str:
        form = self._form
        bucket, count, total = (
            _opening(self._name + suffix, form) for suffix in ("_bucket", "_count", "_sum")
        )
        told, tail, text = self._told, self._tail, self._labels.text
        bounds_of: dict[tuple[float, ...], list[str]] = {}
        lines: list[str] = []
        for point in points:
            labels = text(point.attributes, tail)
            if labels in told:
                continue
            told.add(labels)
            bounds = tuple(point.bounds)
            ends = bounds_of.get(bounds)
            if ends is None:
                ends = bounds_of[bounds] = [f',le="{bucket_label(b)}"}} ' for b in (*bounds, float("inf"))]
            start = bucket + labels
            if form.open_metrics and point.exemplars:
                lines += _buckets_with_exemplars(start, ends, point)
            else:
                counts = accumulate(point.bucket_counts)
                lines += [f"{start}{end}{n}\n" for end, n in zip(ends, counts, strict=True)]
            lines.append(
                f"{count}{labels}}} {point.count}\n{total}{labels}}} {open_metrics_number(float(point.sum))}\n"
            )
        return "".join(lines)


_SAMPLES: Final[Mapping[str, Callable[[_SampleWriter, Any], str]]] = {
    "counter": _SampleWriter.number,
    "gauge": _SampleWriter.gauge,
    "histogram": _SampleWriter.histogram,
}


def _type(metric: MetricData) -> Type | None:
    if metric.kind == "sum":
        return "counter" if metric.monotonic else "gauge"
    if metric.kind == "exponential_histogram":
        return None
    return metric.kind


def _buckets_with_exemplars(start: str, ends: list[str], point: HistogramPoint) -> list[str]:
    latest: dict[int, Exemplar] = {}
    for exemplar in point.exemplars:
        index = sum(bound < exemplar.value for bound in point.bounds)
        if index not in latest or exemplar.time_ns >= latest[index].time_ns:
            latest[index] = exemplar
    counts = accumulate(point.bucket_counts)
    return [
        f"{start}{end}{n}{_exemplar(latest[index]) if index in latest else ''}\n"
        for index, (end, n) in enumerate(zip(ends, counts, strict=True))
    ]


def _exemplar(exemplar: Exemplar) -> str:
    """https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md#exemplars"""
    if not exemplar.trace_id:
        return ""
    seconds, nanoseconds = divmod(exemplar.time_ns, 1_000_000_000)
    return (
        f' # {{trace_id="{exemplar.trace_id:032x}",span_id="{exemplar.span_id:016x}"}}'
        f" {_value(exemplar.value)} {seconds}.{nanoseconds // 1_000_000:03d}"
    )


def _opening(name: str, form: Format) -> str:
    """Up to and with what stands before the first label."""
    quoted = quoted_unless_legacy(name) if form.utf8 else name
    return f"{name}{{" if quoted == name else f"{{{quoted},"


def _value(value: float) -> str:
    return str(value) if isinstance(value, int) else open_metrics_number(value)


def _without_exemplars(point: NumberPoint) -> dict[str, Any]:
    return {
        "attributes": point.attributes,
        "start_ns": point.start_ns,
        "time_ns": point.time_ns,
        "value": point.value,
    }


def _target_info(
    resource: Mapping[str, AttributeValue], form: Format, labels: LabelWriter, tail: str
) -> Family:
    told = {key: value for key, value in resource.items() if key != "service.instance.id"}
    return Family(
        name=_TARGET_INFO,
        type="info",
        help="The resource that the metrics belong to.",
        unit="",
        samples=f"{_opening('target_info', form)}{labels.text(told, tail)}}} 1\n",
    )
