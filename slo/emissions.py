"""What an event leaves behind in the metrics: one good, one bad, found by trying every combination of labels.

It answers two questions: whether an indicator can be kept and broken at all, and which series a test must write so that
the rules see an event of either kind.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from lumigate.telemetry.schema import OTHER, Metric
from slo.model import CatalogEvents, Counted, Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """One metric recorded once: its labels, and for a histogram whether the value was within the threshold."""

    metric: Metric
    labels: tuple[tuple[str, str], ...]
    within: bool

    def counted_by(self, selection: Selection) -> bool:
        if selection.metric.name != self.metric.name or (selection.at_most is not None and not self.within):
            return False
        labels = dict(self.labels)
        return all(condition.holds(labels.get(condition.key, "")) for condition in selection.where)


type Event = tuple[Emission, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """A good event, a bad one, and, if the metrics allow it, one that is good without being counted in the total."""

    good: Event | None
    bad: Event | None
    contradiction: Event | None


def classes(indicator: Counted) -> Classes:
    """The simplest event of each kind; None where there is none."""
    assert isinstance(indicator.part, CatalogEvents)
    assert isinstance(indicator.total, CatalogEvents)
    part, total = indicator.part.selections, indicator.total.selections
    found: dict[tuple[int, int], Event] = {}
    for event in _events((*part, *total)):
        counts = (_count(event, part), _count(event, total))
        found.setdefault(counts, event)
    in_part, not_in_part = found.get((1, 1)), found.get((0, 1))
    good, bad = (in_part, not_in_part) if indicator.numerator == "good" else (not_in_part, in_part)
    return Classes(good=good, bad=bad, contradiction=found.get((1, 0)))


def _count(event: Event, selections: tuple[Selection, ...]) -> int:
    return sum(emission.counted_by(selection) for emission in event for selection in selections)


def _events(selections: tuple[Selection, ...]) -> Iterator[Event]:
    """Every event of at most one record a metric; those of fewer records first."""
    metrics = {selection.metric.name: selection.metric for selection in selections}
    choices: list[list[Emission | None]] = []
    for metric in metrics.values():
        own = [selection for selection in selections if selection.metric.name == metric.name]
        choices.append([None, *_emissions(metric, own)])
    everything = [
        tuple(emission for emission in combination if emission is not None)
        for combination in itertools.product(*choices)
    ]
    yield from sorted(everything, key=len)


def _emissions(metric: Metric, selections: list[Selection]) -> Iterator[Emission]:
    keys = {condition.key: condition for s in selections for condition in s.where}
    attributes = [attribute for attribute in metric.attributes if attribute.key in keys]
    values: list[list[str]] = []
    for attribute in attributes:
        named = {v for s in selections for c in s.where if c.key == attribute.key for v in c.values}
        # one value stands for all that no filter names, so that a new one in the catalog changes no generated test
        rest = attribute.values is None or bool(attribute.values - named)
        values.append([*sorted(named), *([OTHER] if rest else [])])
    thresholds = any(selection.at_most is not None for selection in selections)
    for combination in itertools.product(*values):
        labels = tuple(zip((attribute.key for attribute in attributes), combination, strict=True))
        for within in (True, False) if thresholds else (True,):
            yield Emission(metric=metric, labels=labels, within=within)
