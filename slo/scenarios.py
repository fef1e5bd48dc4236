"""What a promise's alerts are tried against: the burns they are for, and all that must not wake anyone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from slo.model import Promise
from slo.timeline import STALE, Sample, Segment, first_step, per_step, running_total
from slo.windows import Severity, tiers

_LEAST_VOLUME: Final = 10_000
_OUTAGE_STARTS: Final = 20
_PAGE_WITHIN: Final = 3
_SEVERITIES: Final[tuple[Severity, ...]] = ("page", "ticket")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A part of the traffic (1/`share`), and what happens to its series: resets, samples missing or stale."""

    name: str
    share: int = 1
    resets_at: int | None = None
    missing: range = range(0)
    stale_at: int | None = None
    born_at: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)

    def samples(self, rates: Sequence[int]) -> list[Sample]:
        """Its counter, from its birth (at zero) on."""
        shared = [rate // self.share if at > self.born_at else 0 for at, rate in enumerate(rates)]
        found: list[Sample] = running_total(shared)
        if self.resets_at is not None:
            found[self.resets_at :] = running_total(shared[self.resets_at :])
        for at in range(len(found)):
            if at < self.born_at or at in self.missing or (self.stale_at is not None and at > self.stale_at):
                found[at] = None
        ends = (self.missing.start if self.missing else None, self.stale_at)
        for end in ends:
            if end is not None:
                found[end] = STALE
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A history, how shards show it, and what is checked: (step, severity, fires). None of the others ever fires."""

    name: str
    history: Sequence[tuple[int, int]]
    shards: tuple[Shard, ...] = (Shard(name="shard-0"),)
    checks: tuple[tuple[int, Severity, bool], ...] = ()
    never: tuple[Severity, ...] = ()


def volume_of(promise: Promise) -> int:
    """Events a step in steady traffic: enough that a tenth of the budget is a whole number of them."""
    return max(_LEAST_VOLUME, math.ceil(10 / promise.budget))


def scenarios(promise: Promise, step: float) -> list[Scenario]:
    """All of them. Raises AssertionError if one is not what its name says."""
    severities = tuple(severity for severity in _SEVERITIES if severity in promise.severities)
    return [
        *_burns(promise, step, severities),
        *_just_enough(promise, step, severities),
        *_silent(promise, step, severities),
    ]


def _burns(promise: Promise, step: float, severities: tuple[Severity, ...]) -> list[Scenario]:
    """Each alert in the burn it is for: a page in an outage, a ticket in a slow burn that must not page."""
    budget, volume = float(promise.budget), volume_of(promise)
    found = []
    fastest = severities[0] if severities else None
    if fastest is not None:
        healthy, outage = Segment(steps=_OUTAGE_STARTS, good=volume), Segment(steps=120, bad=volume)
        history = per_step([healthy, outage])
        fires = first_step(promise, history, step, fastest)
        assert fires is not None
        delay = fires - _OUTAGE_STARTS
        if fastest == "page" and 14.4 * budget <= _PAGE_WITHIN / 60:
            assert delay <= _PAGE_WITHIN, f"{promise.name}: a full outage pages after {delay} steps"
        checks = [(fires - 1, fastest, False), (fires, fastest, True)]
        history, name = history[: fires + 1], f"a full outage: a {fastest} after {delay} steps"
        if fastest == "page":
            slowest = max(tier.short for tier in promise.tiers(step) if tier.severity == fastest)
            history += per_step([Segment(steps=round(slowest / step), good=volume)])[1:]
            over = first_step(promise, history, step, fastest, after=fires + 1, burning=False)
            assert over is not None, f"{promise.name}: a burn that ended still pages"
            checks += [(over - 1, fastest, True), (over, fastest, False)]
            history, name = history[: over + 1], f"{name}, and none {over - fires} after its end"
        found.append(Scenario(name=name, history=history, checks=tuple(checks)))
    if "ticket" in severities:
        speed = min(4, 1 / budget)
        bad = round(speed * budget * volume)
        history = per_step([Segment(steps=10, good=volume - bad, bad=bad)])
        at = first_step(promise, history, step, "ticket")
        assert at is not None
        never: tuple[Severity, ...] = ("page",) if "page" in severities else ()
        found.append(
            Scenario(
                name=f"a slow burn, {speed:.3g} times too fast: a ticket and no page",
                history=history,
                checks=((at, "ticket", True), (10, "ticket", True)),
                never=never,
            )
        )
    return found


def _just_enough(promise: Promise, step: float, severities: tuple[Severity, ...]) -> list[Scenario]:
    """Low traffic: one bad event short of the minimum is silent, the next one is not."""
    least = promise.minimum_bad_events(step)
    quiet = Segment(steps=3)
    few = per_step([quiet, Segment(steps=least - 1, bad=1), Segment(steps=10)])
    found = [
        Scenario(
            name=f"low traffic: {least - 1} events in an hour, every one of them bad",
            history=few,
            never=severities,
        )
    ]
    if severities:
        enough = per_step([quiet, Segment(steps=least, bad=1)])
        at = first_step(promise, enough, step, severities[0])
        assert at == len(enough) - 1
        found.append(
            Scenario(
                name=f"low traffic: the {least}th bad event is evidence",
                history=enough,
                checks=((at - 1, severities[0], False), (at, severities[0], True)),
            )
        )
    return found


def _silent(promise: Promise, step: float, severities: tuple[Severity, ...]) -> list[Scenario]:
    """What must wake nobody."""
    budget, volume = float(promise.budget), volume_of(promise)
    # a fifth of the budget: always some bad events, never too many
    bad = round(budget * volume / 5 / 2) * 2
    steady = per_step([Segment(steps=40, good=volume - bad, bad=bad)])
    # brief is what does not fill half of the fastest tier's long window
    fastest = tiers(promise.period, step)[0]
    peak = min(volume, round(min(30.0, fastest.factor * fastest.long / step / 2) * budget * volume))
    spike = per_step(
        [
            Segment(steps=60, good=volume - bad, bad=bad),
            Segment(steps=1, good=volume - peak, bad=peak),
            Segment(steps=6, good=volume - bad, bad=bad),
        ]
    )
    found = [
        Scenario(name="idle: no traffic at all", history=per_step([Segment(steps=20)])),
        Scenario(
            name="idle after traffic: the night",
            history=per_step([Segment(steps=10, good=volume - bad, bad=bad), Segment(steps=30)]),
        ),
        Scenario(name=f"a brief spike: one step at {peak / volume:.0%} bad", history=spike),
        Scenario(
            name="counters reset: the shard lost its state",
            history=steady,
            shards=(Shard(name="shard-0", resets_at=20),),
        ),
        Scenario(
            name="a deploy: new buckets, so new series beside the old",
            history=steady,
            shards=(
                Shard(name="shard-0", stale_at=21),
                Shard(name="shard-0", born_at=20, labels={"lumigate_metric_generation": "1"}),
            ),
        ),
        Scenario(
            name="a shard is evicted: its series are gone for ten scrapes, and come back as they were",
            history=steady,
            shards=(
                Shard(name="shard-0", share=2),
                Shard(name="shard-1", share=2, missing=range(20, 30)),
            ),
        ),
    ]
    for scenario in found:
        for severity in severities:
            assert first_step(promise, scenario.history, step, severity) is None, (
                promise.name,
                scenario.name,
            )
    return [
        Scenario(name=s.name, history=s.history, shards=s.shards, never=severities)
        for s in found
        if severities
    ]
