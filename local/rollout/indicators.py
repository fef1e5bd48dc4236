"""What is counted by version: each promise that can be asked so, and what has no promise.

A promise about `lumigate.request.outcomes` or `lumigate.gateway.overhead` is asked of its twin by version
(`lumigate.catalog.versions`), which leaves out the probes itself. A request whose invocation the runtime ended has no
outcome: the Tail Worker tells of it, and it counts as a failed one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from local.rollout.comparison import Aspect
from local.rollout.split import Share
from lumigate.catalog import (
    GATEWAY_OVERHEAD,
    HTTP_ROUTE,
    LOST_INVOCATIONS,
    OUTCOME,
    OUTCOMES,
    PROBES,
    VERSION_OUTCOMES,
    VERSION_OVERHEAD,
    WORKER_OUTCOME,
    WORKER_REPORTED,
)
from slo.model import CatalogEvents, Condition, Counted, PointCondition, Points, Promise, Selection

REQUESTS: Final = "requests"
"""The name under which every request is counted."""
LEAST_DIFFERENT: Final = 10
LEAST_WINDOW_SECONDS: Final = 60.0
LOST: Final = Selection(
    metric=LOST_INVOCATIONS,
    where=(
        Condition(key=WORKER_REPORTED.key, values=("no",)),
        Condition(
            key=WORKER_OUTCOME.key, values=("canceled", "responseStreamDisconnected"), negated=True
        ),  # a client that leaves
    ),
)
_TWINS: Final = {OUTCOMES.name: VERSION_OUTCOMES, GATEWAY_OVERHEAD.name: VERSION_OVERHEAD}
_COUNTED_POINTS: Final = (PointCondition(value="route", operator="not in", operands=tuple(sorted(PROBES))),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByVersion:
    """An aspect, and where its counts come from; `points` None where the data point lacks what it needs."""

    aspect: Aspect
    indicator: Counted
    points: Points | None
    after_s: float = 0.0
    """What came in the first seconds of a share is left out."""

    def window_s(self, share: Share) -> int:
        """How far back to count; 0: not yet."""
        if self.after_s and share.elapsed_s - self.after_s < LEAST_WINDOW_SECONDS:
            return 0
        return round(max(share.elapsed_s - self.after_s, LEAST_WINDOW_SECONDS))


def by_version(promises: Iterable[Promise], *, warm_up_s: float, step: float = 60.0) -> tuple[ByVersion, ...]:
    """Of the promises those that can be asked of one version, then what has no promise: refusals and hang-ups.

    `warm_up_s` is for latencies: a new version begins with isolates that have fetched no key set yet.
    """
    found = [one for promise in promises if (one := _of_promise(promise, warm_up_s, step)) is not None]
    return (*found, of_outcome("refused"), of_outcome("client_abort"))


def of_outcome(outcome: str) -> ByVersion:
    """Requests that ended so, of all; every request where it is empty."""
    where = (Condition(key=OUTCOME.key, values=(outcome,)),) if outcome else ()
    part = CatalogEvents(selections=(Selection(metric=VERSION_OUTCOMES, where=where),))
    total = CatalogEvents(selections=(Selection(metric=VERSION_OUTCOMES),))
    bad = (
        (PointCondition(value="outcome", operator="in", operands=(outcome,)),) if outcome else _COUNTED_POINTS
    )
    return ByVersion(
        aspect=Aspect(name=outcome or REQUESTS, least_bad=LEAST_DIFFERENT),
        indicator=Counted(numerator="bad", part=part, total=total),
        points=Points(total=_COUNTED_POINTS, bad=bad),
    )


def _of_promise(promise: Promise, warm_up_s: float, step: float) -> ByVersion | None:
    indicator = promise.indicator
    if not isinstance(indicator, Counted):
        return None
    part, total = _twins(indicator.part), _twins(indicator.total)
    if indicator.numerator == "bad":
        part, total = _with_lost(part), _with_lost(total)
    tiers = promise.tiers(step)
    if part is None or total is None or not tiers:
        return None
    aspect = Aspect(
        name=promise.name,
        least_bad=promise.minimum_bad_events(step),
        budget=float(promise.budget),
        factor=tiers[0].factor,
    )
    is_latency = any(one.at_most is not None for one in part.selections)
    return ByVersion(
        aspect=aspect,
        indicator=replace(indicator, part=part, total=total),
        points=promise.points,
        after_s=warm_up_s if is_latency else 0.0,
    )


def _twins(events: object) -> CatalogEvents | None:
    """The same events of the metrics by version; None where these cannot tell them."""
    if not isinstance(events, CatalogEvents):
        return None
    found = [_twin(selection) for selection in events.selections]
    return None if None in found else CatalogEvents(selections=tuple(one for one in found if one is not None))


def _with_lost(events: CatalogEvents | None) -> CatalogEvents | None:
    """Of requests: those that died as well, on both sides."""
    counts_requests = events is not None and any(s.metric is VERSION_OUTCOMES for s in events.selections)
    return replace(events, selections=(*events.selections, LOST)) if events and counts_requests else events


def _twin(selection: Selection) -> Selection | None:
    metric = _TWINS.get(selection.metric.name)
    routes = [one for one in selection.where if one.key == HTTP_ROUTE.key]
    where = tuple(one for one in selection.where if one.key != HTTP_ROUTE.key)
    leaves_out_probes = len(routes) == 1 and routes[0].negated and set(routes[0].values) == PROBES
    if metric is None or not leaves_out_probes:
        return None
    known = {attribute.key for attribute in metric.attributes}
    if any(one.key not in known for one in where):
        return None
    return replace(selection, metric=metric, where=where)
