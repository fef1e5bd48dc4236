"""PromQL over the catalog: every name and label comes from an object of it, checked where a query is built.

Each selector carries `job=~"$job"`, which tells the environments apart; an attribute that a dashboard has a variable
for is narrowed by it wherever a metric has that attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lumigate.exposition.names import bucket_label, prometheus_label, prometheus_name
from lumigate.telemetry.schema import OTHER, Attribute, InstrumentKind, Metric

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"
JOB: Final = 'job=~"$job"'
ZERO: Final = " or vector(0)"
"""Appended where silence means zero, so that a quiet panel says 0 and not «No data»."""


class NotInCatalog(Exception):
    """A query asks for what the catalog does not declare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An attribute and the values it may (or, `negated`, may not) have."""

    attribute: Attribute
    values: tuple[str, ...]
    negated: bool = False
    pattern: str = ""
    """In place of values, where they are not all known here."""

    def __post_init__(self) -> None:
        known = self.attribute.values
        unknown = set(self.values) - known - {OTHER} if known is not None else set()
        if unknown:
            raise NotInCatalog(f"{self.attribute.key} is never {sorted(unknown)}")


def where(attribute: Attribute, *values: str) -> Condition:
    return Condition(attribute=attribute, values=values)


def unless(attribute: Attribute, *values: str) -> Condition:
    return Condition(attribute=attribute, values=values, negated=True)


def between_400_and_499(status: Attribute) -> Condition:
    return Condition(attribute=status, values=(), pattern="4..")


def attribute_of(metric: Metric, key: str) -> Attribute:
    """The attribute of that key that the metric declares. Raises `NotInCatalog`."""
    for attribute in metric.attributes:
        if attribute.key == key:
            return attribute
    raise NotInCatalog(f"{metric.name} has no attribute {key}")


def legend(*attributes: Attribute) -> str:
    """A legend of label values: `{{http_route}} · {{…}}`."""
    return " · ".join("{{" + prometheus_label(attribute.key) + "}}" for attribute in attributes)


def labels(attributes: Iterable[Attribute]) -> str:
    return ", ".join(prometheus_label(attribute.key) for attribute in attributes)


def at_least_zero(expression: str) -> str:
    return f"({expression}{ZERO})"  # in brackets: `or` binds looser than any arithmetic


def ratio(part: str, whole: str) -> str:
    """Part over whole; nothing where the whole is nothing."""
    return f"{part}\n/\n({whole} > 0)"


class Prom:
    """Queries for one dashboard. `variables`: the attributes it has variables for, by the variable's name."""

    def __init__(self, variables: Mapping[str, Attribute] | None = None) -> None:
        self._variables = {attribute.key: name for name, attribute in (variables or {}).items()}

    def series(self, metric: Metric, *conditions: Condition, part: str = "", le: float | None = None) -> str:
        """`name{…}`; `part` is `_count`, `_sum` or `_bucket` of a histogram, `le` one of its buckets."""
        if (metric.kind is InstrumentKind.HISTOGRAM) is not (part in ("_count", "_sum", "_bucket")):
            raise NotInCatalog(f"{metric.name} is a {metric.kind}, and has no {part or 'plain'} series")
        declared = {attribute.key for attribute in metric.attributes}
        matchers = [JOB]
        for condition in conditions:
            if condition.attribute.key not in declared:
                raise NotInCatalog(f"{metric.name} has no attribute {condition.attribute.key}")
            matchers.append(_matcher(condition))
        matchers += [
            f'{prometheus_label(key)}=~"${{{name}}}"'
            for key, name in self._variables.items()
            if key in declared
        ]
        if le is not None:
            if le not in metric.buckets:
                raise NotInCatalog(f"{le:g} is no bucket boundary of {metric.name}")
            matchers.append(f'le="{bucket_label(le)}"')
        return f"{prometheus_name(metric)}{part}{{{', '.join(matchers)}}}"

    def rate(
        self, metric: Metric, *conditions: Condition, by: tuple[Attribute, ...] = (), part: str = ""
    ) -> str:
        """Per second, summed over the shards."""
        return self._grown("rate", RATE, metric, conditions, by, part)

    def grown(
        self, metric: Metric, *conditions: Condition, by: tuple[Attribute, ...] = (), part: str = ""
    ) -> str:
        """How much over the whole range that is shown."""
        return self._grown("increase", RANGE, metric, conditions, by, part)

    def grown_by_step(
        self, metric: Metric, *conditions: Condition, by: tuple[Attribute, ...] = (), part: str = ""
    ) -> str:
        """How much from one point of a graph to the next."""
        return self._grown("increase", RATE, metric, conditions, by, part)

    def quantile(
        self,
        q: float,
        metric: Metric,
        *conditions: Condition,
        by: tuple[Attribute, ...] = (),
        over: str = RATE,
    ) -> str:
        self._check(metric, by)
        inner = f"rate({self.series(metric, *conditions, part='_bucket')}[{over}])"
        return f"histogram_quantile({q:g}, sum by ({', '.join(['le', *_names(by)])}) ({inner}))"

    def mean(self, metric: Metric, *conditions: Condition, by: tuple[Attribute, ...] = ()) -> str:
        return ratio(
            self.rate(metric, *conditions, by=by, part="_sum"),
            self.rate(metric, *conditions, by=by, part="_count"),
        )

    def buckets(self, metric: Metric, *conditions: Condition) -> str:
        """For a heatmap: events by bucket."""
        return f"sum by (le) (increase({self.series(metric, *conditions, part='_bucket')}[{RATE}]))"

    def level(
        self, metric: Metric, *conditions: Condition, by: tuple[Attribute, ...] = (), how: str = "sum"
    ) -> str:
        """A gauge, over the shards: `sum` or `max`."""
        if metric.kind not in (InstrumentKind.GAUGE, InstrumentKind.UP_DOWN_COUNTER):
            raise NotInCatalog(f"{metric.name} is no level")
        self._check(metric, by)
        return f"{how}{_by(by)} ({self.series(metric, *conditions)})"

    def _grown(
        self,
        function: str,
        window: str,
        metric: Metric,
        conditions: tuple[Condition, ...],
        by: tuple[Attribute, ...],
        part: str,
    ) -> str:
        self._check(metric, by)
        if metric.kind is InstrumentKind.GAUGE:
            raise NotInCatalog(f"{metric.name} is a level, and has no rate")
        return f"sum{_by(by)} ({function}({self.series(metric, *conditions, part=part)}[{window}]))"

    def _check(self, metric: Metric, by: tuple[Attribute, ...]) -> None:
        declared = {attribute.key for attribute in metric.attributes}
        unknown = [attribute.key for attribute in by if attribute.key not in declared]
        if unknown:
            raise NotInCatalog(f"{metric.name} has no attribute {', '.join(unknown)}")


def _names(attributes: Iterable[Attribute]) -> list[str]:
    return [prometheus_label(attribute.key) for attribute in attributes]


def _by(attributes: tuple[Attribute, ...]) -> str:
    return f" by ({', '.join(_names(attributes))})" if attributes else ""


def _matcher(condition: Condition) -> str:
    label = prometheus_label(condition.attribute.key)
    if condition.pattern:
        return f'{label}=~"{condition.pattern}"'
    if len(condition.values) == 1:
        return f'{label}{"!=" if condition.negated else "="}"{_escaped(condition.values[0])}"'
    # of the characters a value may have, these mean something to RE2 outside brackets
    values = "|".join(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", value) for value in condition.values)
    return f'{label}{"!~" if condition.negated else "=~"}"{_escaped(values)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
