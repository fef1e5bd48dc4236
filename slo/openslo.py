"""OpenSLO v1 as pydantic models: the part of https://github.com/OpenSLO/OpenSLO that promises here are written in.

Where the standard leaves a field to the tool, the metric source's `spec`, ours is one of two:

    type: LumigateCatalog          a metric of `lumigate.catalog`, never a query
    spec:
      metric: lumigate.request.outcomes
      where: {lumigate.outcome: [error, truncated], http.route: {not: /health}}
      plus: [{metric: …, where: …}]                      counted in as well
      points: {outcome: [error, truncated]}              the same for Analytics Engine, by the point's columns

    type: Prometheus               a query over `{{.window}}`, as Sloth writes them
    spec: {query: 'sum(rate(http_requests_total{code=~"5.."}[{{.window}}]))'}

A latency promise is a `thresholdMetric` over a histogram, with `op: lte` and `value` in its objective.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from slo.durations import shorthand_seconds
from slo.promql import unbalanced
from slo.windows import POLICIES


class _Model(BaseModel):
    """Names as in the specification; nothing it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_alias=True, strict=True
    )


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError(f"{value!r} is not a name: at most 63 of a-z, 0-9 and -, as in RFC 1123")
    return value


def _duration(value: str) -> str:
    shorthand_seconds(value)
    return value


type Name = Annotated[str, AfterValidator(_name)]
type Scalar = str | int | float


class Metadata(_Model):
    """`labels` go to every rule and alert of the promise, `annotations` to every alert.

    An annotation `page.labels/KEY` or `ticket.annotations/KEY` is one of that alert alone: OpenSLO has no place for it.
    """

    name: Name
    display_name: str = ""
    labels: dict[str, str | list[str]] = {}
    annotations: dict[str, str] = {}


class Unless(_Model):
    """Anything but."""

    not_: Annotated[Scalar | list[Scalar], Field(alias="not")]


class AtMost(_Model):
    """A number's upper bound, the bound included."""

    at_most: float


class MoreThan(_Model):
    """A number's lower bound, the bound left out."""

    more_than: float


type Where = dict[str, Scalar | list[Scalar] | Unless]
type PointsWhere = dict[str, Scalar | list[Scalar] | Unless | AtMost | MoreThan]


class CatalogTerm(_Model):
    """A metric of the catalog and a filter on its attributes."""

    metric: str
    where: Where = {}


class CatalogSpec(CatalogTerm):
    """`spec` of a `LumigateCatalog` source."""

    plus: list[CatalogTerm] = []
    points: PointsWhere | None = None
    points_value: str | None = None
    """For a threshold: the column, or difference of two, that is compared."""


class QuerySpec(_Model):
    """`spec` of a `Prometheus` source."""

    query: str

    @field_validator("query")
    @classmethod
    def _has_a_window(cls, query: str) -> str:
        if not re.search(r"\{\{\s*\.window\s*\}\}", query):
            raise ValueError("the query must range over {{.window}}")
        if (fault := unbalanced(query)) is not None:
            raise ValueError(f"the query cannot be PromQL: {fault}")
        return query


class CatalogSource(_Model):
    """A metric of the catalog."""

    metric_source_ref: Name | None = None
    type: Literal["LumigateCatalog"]
    spec: CatalogSpec


class QuerySource(_Model):
    """A query."""

    metric_source_ref: Name | None = None
    type: Literal["Prometheus"]
    spec: QuerySpec


type Source = Annotated[CatalogSource | QuerySource, Field(discriminator="type")]


class MetricSource(_Model):
    """What is counted."""

    metric_source: Source


class ThresholdMetric(_Model):
    """A histogram; its objective says what it is compared with."""

    metric_source: CatalogSource


class RatioMetric(_Model):
    """Good or bad of a total, or a ratio that is one already."""

    counter: bool = True
    good: MetricSource | None = None
    bad: MetricSource | None = None
    total: MetricSource | None = None
    raw_type: Literal["success", "failure"] | None = None
    raw: MetricSource | None = None

    @model_validator(mode="after")
    def _is_one_of_the_forms(self) -> Self:
        if self.raw is not None:
            if self.good or self.bad or self.total:
                raise ValueError("raw stands alone: without good, bad and total")
            if self.raw_type is None:
                raise ValueError("raw needs rawType, success or failure")
            if not isinstance(self.raw.metric_source, QuerySource):
                raise ValueError("raw is a query: type Prometheus")
        elif self.total is None or (self.good is None) is (self.bad is None):
            raise ValueError("a ratio is good and total, or bad and total")
        elif self.raw_type is not None:
            raise ValueError("rawType goes with raw only")
        elif not self.counter:
            raise ValueError("counter: false has no increases to add up; use raw")
        return self


class IndicatorSpec(_Model):
    """How the service level is read."""

    description: Annotated[str, Field(max_length=1050)] = ""
    threshold_metric: ThresholdMetric | None = None
    ratio_metric: RatioMetric | None = None

    @model_validator(mode="after")
    def _has_one_metric(self) -> Self:
        if (self.threshold_metric is None) is (self.ratio_metric is None):
            raise ValueError("an indicator has a ratioMetric or a thresholdMetric, and not both")
        return self


class InlineIndicator(_Model):
    """An indicator within a promise."""

    metadata: Metadata
    spec: IndicatorSpec


class TimeWindow(_Model):
    """A rolling window. Calendar windows need state that recording rules do not have."""

    duration: Annotated[str, AfterValidator(_duration)]
    is_rolling: Literal[True]


class Objective(_Model):
    """A target: `target` as a part of one, or `targetPercent`."""

    display_name: str = ""
    op: Literal["lte", "lt", "gte", "gt"] | None = None
    value: float | None = None
    target: Annotated[float, Field(gt=0, lt=1)] | None = None
    target_percent: Annotated[float, Field(gt=0, lt=100)] | None = None

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if (self.target is None) is (self.target_percent is None):
            raise ValueError("an objective has target or targetPercent, and not both")
        return self

    @property
    def exact(self) -> Decimal:
        """The target as it was written: 0.999 is 999/1000."""
        if self.target is not None:
            return Decimal(repr(self.target))
        return Decimal(repr(self.target_percent)) / 100


class AlertPolicyReference(_Model):
    """Which alerts there shall be."""

    alert_policy_ref: str

    @field_validator("alert_policy_ref")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in POLICIES:
            raise ValueError(f"{name!r} is none of the alert policies: {', '.join(POLICIES)}")
        return name


class SLOSpec(_Model):
    """What is promised."""

    description: Annotated[str, Field(max_length=1050)]
    service: Name
    indicator: InlineIndicator | None = None
    indicator_ref: Name | None = None
    time_window: Annotated[list[TimeWindow], Field(min_length=1, max_length=1)]
    budgeting_method: Literal["Occurrences"]
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=1)]
    alert_policies: Annotated[list[AlertPolicyReference], Field(max_length=1)] = []

    @model_validator(mode="after")
    def _has_one_indicator(self) -> Self:
        if (self.indicator is None) is (self.indicator_ref is None):
            raise ValueError("a promise has an indicator or an indicatorRef, and not both")
        return self


class SLO(_Model):
    """A promise."""

    api_version: Literal["openslo/v1"]
    kind: Literal["SLO"]
    metadata: Metadata
    spec: SLOSpec


class SLI(_Model):
    """An indicator of its own, for `indicatorRef`."""

    api_version: Literal["openslo/v1"]
    kind: Literal["SLI"]
    metadata: Metadata
    spec: IndicatorSpec


MODELS: dict[str, type[SLO] | type[SLI]] = {"SLO": SLO, "SLI": SLI}
CARRY_NOTHING = frozenset({"Service", "DataSource", "AlertNotificationTarget"})
"""Kinds that are taken and need nothing done. Alert policies are built in: a spec names one."""


def header_of(content: Any) -> str | None:
    """The kind of a document, if it is OpenSLO v1 at all."""
    if isinstance(content, dict) and content.get("apiVersion") == "openslo/v1":
        kind = content.get("kind")
        return kind if isinstance(kind, str) else None
    return None
