"""A promise, read and checked: what the generators work on. Plain data; seconds are floats, ratios are parts of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lumigate.telemetry.schema import Metric
from slo.windows import POLICIES, Severity, Tier, minimum_bad_events, reachable, tiers


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An attribute, and the values it may (or, `negated`, may not) have."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def holds(self, value: str) -> bool:
        return (value in self.values) is not self.negated


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Part of a catalog metric. `at_most` counts a histogram's values up to that bucket boundary."""

    metric: Metric
    where: tuple[Condition, ...] = ()
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEvents:
    """Events counted by catalog metrics, added up."""

    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvents:
    """Events counted by a PromQL query over `{{.window}}`, as Sloth writes them."""

    query: str


type Events = CatalogEvents | RawEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """An indicator of two counts. `numerator` says what the first one counts."""

    numerator: Literal["good", "bad"]
    part: Events
    total: Events


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRatio:
    """An indicator that is a ratio already: its volume is lost, so every step weighs the same."""

    query: str
    failure: bool


type Indicator = Counted | RawRatio


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCondition:
    """What a column of the Analytics Engine point, or a difference of two, is compared with."""

    value: str
    operator: Literal["in", "not in", "<=", ">"]
    operands: tuple[str, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The same indicator over Analytics Engine points: which count, and which of those are bad."""

    total: tuple[PointCondition, ...]
    bad: tuple[PointCondition, ...]
    negated: bool = False
    """`bad` holds for the good ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A service level objective."""

    name: str
    title: str
    description: str
    service: str
    period: float
    target: Decimal
    indicator: Indicator
    policy: str = "page-and-ticket"
    points: Points | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    """On its alerts; `page.labels/KEY` and the like (`alert_texts`) on those of one severity."""
    source: str = ""

    @property
    def budget(self) -> Decimal:
        """The share of events that may be bad: exact, where `1 - 0.999` in floats is not."""
        return 1 - self.target

    @property
    def percent(self) -> str:
        return f"{(self.target * 100).normalize():f}%"

    @property
    def severities(self) -> frozenset[Severity]:
        return POLICIES[self.policy]

    def alert_texts(self, kind: Literal["labels", "annotations"], severity: Severity) -> dict[str, str]:
        """The labels or annotations of the alerts of a severity, apart from what says what they are."""
        own = f"{severity}.{kind}/"
        found = (
            dict(self.labels)
            if kind == "labels"
            else {k: v for k, v in self.annotations.items() if "/" not in k}
        )
        found |= {k.removeprefix(own): v for k, v in self.annotations.items() if k.startswith(own)}
        return {key: value for key, value in found.items() if key not in ("severity", "service", "slo")}

    def tiers(self, step: float) -> tuple[Tier, ...]:
        """The tiers that can fire, whether or not the promise wants alerts from them."""
        return reachable(tiers(self.period, step), float(self.budget))

    def minimum_bad_events(self, step: float) -> int:
        """How many bad events an alert needs; 0 where there are no counts."""
        if isinstance(self.indicator, RawRatio):
            return 0
        return minimum_bad_events(float(self.budget), tiers(self.period, step))

    def selections(self) -> tuple[Selection, ...]:
        """Everything the promise reads of the catalog."""
        if isinstance(self.indicator, RawRatio):
            return ()
        events = (self.indicator.part, self.indicator.total)
        return tuple(s for one in events if isinstance(one, CatalogEvents) for s in one.selections)
