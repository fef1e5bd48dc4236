"""The gate of the new version: its counts and the old one's, from Prometheus or from Analytics Engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from local.rollout.comparison import Counts, Pair, assess
from local.rollout.gate import Reading, ReadVersions
from local.rollout.indicators import LOST, REQUESTS, ByVersion, of_outcome
from local.rollout.split import Share
from lumigate.catalog import VERSION
from lumigate.exposition.names import prometheus_label
from slo.analytics import by_version_sql
from slo.durations import HOUR, promql
from slo.model import CatalogEvents, Condition, Selection
from slo.promql import Temporality, series_of
from slo.sources import SourceError, number, query_analytics_engine, query_prometheus
from slo.standing import Gate

_LABEL: Final = prometheus_label(VERSION.key)

type Found = Mapping[str, Mapping[str, Counts]]
"""By indicator, then by version."""
type ReadCounts = Callable[[Sequence[ByVersion], Share], Found]
"""Raises SourceError."""


def version_gate(read: ReadCounts, what: Sequence[ByVersion], minimum: int) -> ReadVersions:
    """Reads the counts of both versions since the step began, and judges the new one."""
    everything = of_outcome("")
    aspects = [one.aspect for one in what]

    def gate(share: Share) -> Reading:
        try:
            found = read([everything, *(one for one in what if one.window_s(share))], share)
        except SourceError as error:
            return Reading(gate=Gate.UNREADABLE, reason=str(error))
        pairs = {
            name: Pair(
                new=counts.get(share.candidate, Counts()),
                old=counts.get(share.stable, Counts()),
            )
            for name, counts in found.items()
        }
        return assess(pairs.get(REQUESTS, Pair()), pairs, aspects, share, minimum)

    return gate


def prometheus_counts(url: str, matchers: Mapping[str, str], temporality: Temporality) -> ReadCounts:
    """One query, so that all of it is of one instant."""

    def read(what: Sequence[ByVersion], share: Share) -> Found:
        parts = [
            f"label_replace({_series(one, selection, share, matchers, temporality)}, "
            f'"part", "{one.aspect.name}/{side}/{number}", "", "")'
            for one in what
            for side, events in (("part", one.indicator.part), ("total", one.indicator.total))
            if isinstance(events, CatalogEvents)
            for number, selection in enumerate(events.selections)
        ]
        counted: dict[tuple[str, str], float] = defaultdict(float)
        for labels, value in query_prometheus(url, " or ".join(parts)):
            counted[labels.get("part", "").rpartition("/")[0], labels.get(_LABEL, "")] += value
        versions = {version for _, version in counted}
        return {
            one.aspect.name: {version: _counts(one, counted, version) for version in versions} for one in what
        }

    return read


def analytics_engine_counts(url: str, account: str, token: str, dataset: str) -> ReadCounts:
    """A query an indicator. Points are sampled: each counts for as many as it stands for."""

    def read(what: Sequence[ByVersion], share: Share) -> Found:
        found: dict[str, dict[str, Counts]] = {}
        for one in what:
            if one.points is None:
                continue
            rows = query_analytics_engine(
                url, account, token, by_version_sql(one.points, dataset, one.window_s(share))
            )
            found[one.aspect.name] = {
                str(row.get("version")).rpartition("+")[2]: Counts(
                    bad=number(row, "bad"), total=number(row, "total")
                )
                for row in rows
            }
        return found

    return read


def _series(
    one: ByVersion,
    selection: Selection,
    share: Share,
    matchers: Mapping[str, str],
    temporality: Temporality,
) -> str:
    both = Condition(key=VERSION.key, values=(share.candidate, share.stable))
    series = series_of(replace(selection, where=(*selection.where, both)), matchers)
    window = promql(one.window_s(share))
    if temporality == "delta":
        grown = f"sum_over_time({series}[{window}])"
    elif selection.metric is LOST.metric:
        # An isolate that exports by itself lays down no zero: its series begins with what it counted first.
        now, before = f"last_over_time({series}[{window}])", f"{series}[{promql(HOUR)}] offset {window}"
        grown = f"clamp_min({now} - (last_over_time({before}) or 0 * {now}), 0)"
    else:
        grown = f"increase({series}[{window}])"
    return f"sum by({_LABEL}) ({grown})"


def _counts(one: ByVersion, counted: Mapping[tuple[str, str], float], version: str) -> Counts:
    part = counted.get((f"{one.aspect.name}/part", version), 0.0)
    total = counted.get((f"{one.aspect.name}/total", version), 0.0)
    return Counts(bad=part if one.indicator.numerator == "bad" else max(0.0, total - part), total=total)
