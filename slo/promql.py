"""PromQL for counting events exactly.

`increase()` estimates: it extrapolates to the ends of its range, so its results are no integers, and what it says of
neighbouring ranges does not add up. Here each step records the difference between the last sample in it and the last
before it. Such differences telescope: their sum over any window is what the counter grew by in it.

- a step ends `settle` seconds before the rule is evaluated: a sample bears the time at which its scrape began, and is
  stored when it has ended. Of a step that ends now, a sample on its way would be missed, and in the next step it would
  be the one before: what it adds would be counted in neither, for ever;
- a reset counts what has come since it;
- after a gap (a scrape that failed, a shard that was evicted) the difference reaches back to the last sample before it,
  at most `BRIDGED_STEPS`, so nothing is lost and nothing is counted twice. Staleness is not asked: a series that ends
  in the middle of a step has counted until then;
- a series seen for the first time counts from its first sample on, whatever its value: a Prometheus that starts anew
  must not take the whole history for a minute's events. The counter shard exports a new series at zero first, so its
  first event counts, even if it shows in the same step;
- a step whose evaluation was missed, since Prometheus started anew or was late, is caught up with by the next one that
  is not: how many were missed is seen by what is recorded already, up to `CAUGHT_UP` of them;
- an isolate that exports by itself (a Tail Worker, one that could not import the application) lays down no zero: its
  series begins with what it counted first. Where `beats` is given, a new series counts as from zero, if the heartbeat
  had been seen before it: then the series is what is new, and not the Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from lumigate.exposition.names import bucket_label, prometheus_label, prometheus_name
from lumigate.telemetry.schema import InstrumentKind
from slo.durations import promql
from slo.model import CatalogEvents, Condition, Events, Selection

type Temporality = Literal["cumulative", "delta"]
"""What samples are: totals since a start, or (`delta`) what happened since the sample before."""

BRIDGED_STEPS: Final = 60
CAUGHT_UP: Final = 2
NOTHING: Final = "vector(0)"

_LABELS: Final = r"""\{(?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\}"""
_QUOTED: Final = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`""")
_WINDOW: Final = r"\[\s*\{\{\s*\.window\s*\}\}\s*\]"
_INCREASE: Final = re.compile(
    rf"\b(?:rate|increase)\s*\(\s*(?P<series>[a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:{_LABELS})?)\s*{_WINDOW}\s*\)"
)


class UnreadableQuery(Exception):
    """A query that cannot be turned into increases."""


def increases(
    events: Events,
    *,
    step: float,
    settle: float,
    temporality: Temporality,
    matchers: Mapping[str, str],
    beats: str = "",
    recorded: str = "",
) -> str:
    """How many events there were in the last settled step: one sample without labels, 0 where no series is there.

    `beats` is the heartbeat's selector, where a series that is new counts as from zero; `recorded` that of what this is
    recorded as, where steps that were missed are caught up with.
    """

    def over(steps: int) -> str:
        if not isinstance(events, CatalogEvents):
            query = increases_of_query(
                events.query, step=step, settle=settle, temporality=temporality, steps=steps
            )
            return f"(sum({query}) or {NOTHING})"
        parts = [
            f"(sum({_increase(series_of(s, matchers), step, settle, temporality, beats, steps)}) or {NOTHING})"
            for s in events.selections
        ]
        return " + ".join(parts)

    if not recorded:
        return over(1)
    # what was recorded so many steps ago, and half a step so that it is in the range and nothing before it is
    reaching = [
        f"(({over(steps)}) and on() count_over_time({recorded}[{promql((steps + 0.5) * step)}]))"
        for steps in range(1, CAUGHT_UP + 2)
    ]
    return "\nor\n".join([*reaching, f"({over(1)})"])


def increases_by(
    labels: Iterable[str],
    selection: Selection,
    *,
    step: float,
    settle: float,
    temporality: Temporality,
    matchers: Mapping[str, str],
) -> str:
    """The same of one selection, a sample for each value of the labels that there is."""
    increase = _increase(series_of(selection, matchers), step, settle, temporality)
    return f"sum by({', '.join(labels)}) ({increase})"


def increases_of_query(
    query: str,
    *,
    step: float,
    settle: float = 0.0,
    temporality: Temporality = "cumulative",
    steps: int = 1,
) -> str:
    """A query over `{{.window}}` with each `rate` or `increase` of a plain series replaced by its exact increase.

    Sums and quotients of rates keep their meaning: rates over one window differ from increases by a constant.
    Raises UnreadableQuery if the window occurs elsewhere.
    """
    replaced = _INCREASE.sub(
        lambda found: f"({_increase(found['series'].strip(), step, settle, temporality, steps=steps)})", query
    )
    if ".window" in replaced:
        raise UnreadableQuery("{{.window}} may stand only in rate(series{…}[{{.window}}]) or increase(…)")
    return " ".join(replaced.split())


def unbalanced(query: str) -> str | None:
    """What of a query's brackets and quotes is never opened or closed; None where all are in pairs."""
    if '"' in (rest := _QUOTED.sub("", query)) or "'" in rest or "`" in rest:
        return "a quote is never closed"
    opened = []
    for sign in rest:
        if sign in "([{":
            opened.append(sign)
        elif sign in ")]}" and (not opened or f"{opened.pop()}{sign}" not in ("()", "[]", "{}")):
            return f"this {sign!r} closes nothing"
    return f"{opened[-1]!r} is never closed" if opened else None


def query_at(query: str, seconds: float) -> str:
    """A query over `{{.window}}` with the window filled in."""
    return " ".join(re.sub(r"\{\{\s*\.window\s*\}\}", promql(seconds), query).split())


def series_of(selection: Selection, matchers: Mapping[str, str]) -> str:
    """The selector that Prometheus knows a part of a metric by."""
    name, conditions = prometheus_name(selection.metric), [*_matchers(selection.where)]
    if selection.metric.kind is InstrumentKind.HISTOGRAM:
        if selection.at_most is None:
            name += "_count"
        else:
            name += "_bucket"
            conditions.append(f'le="{bucket_label(selection.at_most)}"')
    return selector(name, conditions, matchers)


def selector(name: str, conditions: list[str], matchers: Mapping[str, str]) -> str:
    """`name{…}`; `matchers` are what all of a deployment's series have, such as a job."""
    everything = [*conditions, *(f"{key}={quoted(value)}" for key, value in matchers.items())]
    return f"{name}{{{','.join(everything)}}}" if everything else name


def quoted(text: str) -> str:
    """A PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _matchers(where: tuple[Condition, ...]) -> list[str]:
    found = []
    for condition in where:
        label = prometheus_label(condition.key)
        if len(condition.values) == 1:
            operator = "!=" if condition.negated else "="
            found.append(f"{label}{operator}{quoted(condition.values[0])}")
        else:
            operator = "!~" if condition.negated else "=~"
            # of the characters a value may have, these mean something to RE2 outside brackets
            escaped = (re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", value) for value in condition.values)
            found.append(f"{label}{operator}{quoted('|'.join(escaped))}")
    return found


def _increase(
    series: str, step: float, settle: float, temporality: Temporality, beats: str = "", steps: int = 1
) -> str:
    within = _range(series, steps * step, settle)
    if temporality == "delta":
        return f"sum_over_time({within})"
    before = f"last_over_time({_range(series, BRIDGED_STEPS * step, steps * step + settle)})"
    if beats:
        observed = f"count(last_over_time({_range(beats, BRIDGED_STEPS * step, steps * step + settle)}))"
        before = f"{before} or (0 * min_over_time({within}) and on() {observed})"
    return (
        f"(last_over_time({within}) - ({before} or min_over_time({within})) >= 0) or last_over_time({within})"
    )


def _range(series: str, seconds: float, ago: float) -> str:
    offset = f" offset {promql(ago)}" if ago else ""
    return f"{series}[{promql(seconds)}]{offset}"
