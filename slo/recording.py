"""What is recorded for a promise: exact increases every step, and from their sums every ratio, burn and budget.

The period is weighted by volume because it is a quotient of sums. An average of ratios, as other generators record it,
gives a night's single failed request the weight of a noon's ten thousand good ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slo import records
from slo.durations import DAY, held, promql
from slo.model import Counted, Promise, RawEvents, RawRatio
from slo.promql import NOTHING, Temporality, increases, query_at, quoted
from slo.rules import Record
from slo.windows import tiers

OBSERVED_STEPS = 5
"""A heartbeat within as many steps counts as observed; also the range in which a raw query must find something."""
SILENT_STEPS = 5
"""After so many more without one, nothing is known of the service any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Writes recording rules. `heartbeat` is a selector; `matchers` restrict every catalog series."""

    step: float
    settle: float
    heartbeat: str
    temporality: Temporality = "cumulative"
    matchers: Mapping[str, str]

    def rules(self, promise: Promise) -> list[Record]:
        """All of them, in the order in which they need each other."""
        return [
            *self._increases(promise),
            *self._constants(promise),
            *self._ratios(promise),
            *self._budget(promise),
            *self._coverage(promise),
        ]

    def _record(self, promise: Promise, name: str, expr: str, **labels: str) -> Record:
        identity = {records.SERVICE: promise.service, records.SLO: promise.name}
        return Record(record=name, expr=expr, labels={**promise.labels, **identity, **labels})

    def _increases(self, promise: Promise) -> list[Record]:
        indicator = promise.indicator
        if isinstance(indicator, RawRatio):
            ratio = query_at(indicator.query, OBSERVED_STEPS * self.step)
            bad = ratio if indicator.failure else f"1 - ({ratio})"
            # NaN, which is nothing over nothing, compares with nothing: such a step has no volume
            found = f"({bad}) > -Inf"
            return [
                self._record(promise, records.TOTAL, f"clamp_max(count({found}), 1) or {NOTHING}"),
                self._record(promise, records.BAD, f"avg(clamp({found}, 0, 1)) or {NOTHING}"),
                self._record(promise, records.OBSERVED, f"clamp_max(count({ratio}), 1) or {NOTHING}"),
            ]
        total = self._increase(indicator, "total", recorded(promise, records.TOTAL))
        part = self._increase(indicator, "part", recorded(promise, records.BAD))
        if indicator.numerator == "good":
            part = f"{recorded(promise, records.TOTAL)} - on() group_left() ({part})"
        if isinstance(indicator.total, RawEvents):
            seen = query_at(indicator.total.query, OBSERVED_STEPS * self.step)
            observed = f"clamp_max(count({seen}), 1) or {NOTHING}"
        elif self.temporality == "delta":
            beats = f"sum_over_time({self.heartbeat}[{promql(OBSERVED_STEPS * self.step)}])"
            observed = f"(sum({beats}) or {NOTHING}) > bool 0"
        else:
            beats = f"changes({self.heartbeat}[{promql(OBSERVED_STEPS * self.step)}])"
            observed = f"(max({beats}) or {NOTHING}) > bool 0"
        return [
            self._record(promise, records.TOTAL, total),
            self._record(promise, records.BAD, part),
            self._record(promise, records.OBSERVED, observed),
        ]

    def _increase(self, indicator: Counted, side: str, before: str) -> str:
        events = indicator.part if side == "part" else indicator.total
        return increases(
            events,
            step=self.step,
            settle=self.settle,
            temporality=self.temporality,
            matchers=self.matchers,
            recorded=before,
        )

    def _constants(self, promise: Promise) -> list[Record]:
        values = (
            (records.OBJECTIVE, f"{promise.target}"),
            (records.PERIOD, f"{promise.period:.15g}"),
            (records.MINIMUM_BAD, f"{promise.minimum_bad_events(self.step)}"),
        )
        return [self._record(promise, name, f"vector({value})") for name, value in values]

    def _ratios(self, promise: Promise) -> list[Record]:
        period = promql(promise.period)
        found = [
            self._record(promise, name, f"sum_over_time({recorded(promise, source)}[{held(promise.period)}])")
            for name, source in ((records.PERIOD_BAD, records.BAD), (records.PERIOD_TOTAL, records.TOTAL))
        ]
        windows = {w for tier in tiers(promise.period, self.step) for w in (tier.long, tier.short)}
        for window in sorted(windows):
            bad, total = (
                f"sum_over_time({recorded(promise, name)}[{held(window)}])"
                for name in (records.BAD, records.TOTAL)
            )
            found.append(self._record(promise, records.ERROR_RATIO, ratio(bad, total), window=promql(window)))
        bad, total = recorded(promise, records.PERIOD_BAD), recorded(promise, records.PERIOD_TOTAL)
        found.append(self._record(promise, records.ERROR_RATIO, ratio(bad, total), window=period))
        burn = f"{recorded(promise, records.ERROR_RATIO)} / {promise.budget}"
        return [*found, self._record(promise, records.BURN_RATE, burn)]

    def _budget(self, promise: Promise) -> list[Record]:
        tier = tiers(promise.period, self.step)[0]
        of_period = recorded(promise, records.ERROR_RATIO, window=promql(promise.period))
        burn = recorded(promise, records.BURN_RATE, window=tier.long_label)
        remaining = recorded(promise, records.BUDGET_REMAINING)
        identity = ", ".join(records.IDENTITY)
        left = f"clamp_min({remaining}, 0) * {promise.period:.15g} / on({identity}) ({burn} > 0)"
        return [
            self._record(promise, records.ATTAINMENT, f"1 - sum without({records.WINDOW}) ({of_period})"),
            self._record(
                promise,
                records.BUDGET_SPENT,
                f"sum without({records.WINDOW}) ({of_period}) / {promise.budget}",
            ),
            self._record(promise, records.BUDGET_REMAINING, f"1 - {recorded(promise, records.BUDGET_SPENT)}"),
            self._record(promise, records.EXHAUSTION, left),
        ]

    def _coverage(self, promise: Promise) -> list[Record]:
        observed = recorded(promise, records.OBSERVED)
        first = recorded(promise, records.FIRST_OBSERVED)
        steps = round(promise.period / self.step)
        # carried on from step to step, so that it outlives the retention of what it was first seen in
        remembered = f"min_over_time({first}[{promql(DAY / 60 * self.step)}])"
        identity = ", ".join(records.IDENTITY)
        return [
            self._record(
                promise,
                records.COVERAGE,
                f"clamp_max(sum_over_time({observed}[{held(promise.period)}]) / {steps}, 1)",
            ),
            self._record(
                promise,
                records.FIRST_OBSERVED,
                f"({remembered}) or on({identity}) (time() * ({observed} == 1))",
            ),
            self._record(
                promise,
                records.COVERAGE_EXPECTED,
                f"clamp_max((time() - {first} + {self.step:.15g}) / {promise.period:.15g}, 1)",
            ),
        ]


def recorded(promise: Promise, name: str, **labels: str) -> str:
    """The selector of what is recorded for a promise."""
    every = {records.SERVICE: promise.service, records.SLO: promise.name, **labels}
    return f"{name}{{{','.join(f'{key}={quoted(value)}' for key, value in every.items())}}}"


def ratio(bad: str, total: str) -> str:
    """Bad over total: between 0 and 1, and 0 where nothing happened, never NaN."""
    return f"clamp({bad} / ({total} > 0), 0, 1)\nor\n0 * {total}"
