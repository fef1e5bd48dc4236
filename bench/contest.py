"""Two ways to do one thing, timed side by side in one process.

Rounds alternate between the two, so that what slows the machine down slows both; the ratio is the median of the
rounds' ratios, and each time the median of its rounds. Inputs are made fresh for each round, outside the timing.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report. `ratio` must be at least `bar`, or, where `at_most`, at most."""

    what: str
    ours_us: float | None
    rival_us: float | None
    ratio: float
    bar: float
    at_most: bool = False
    unit: str = "x"

    @property
    def holds(self) -> bool:
        return self.ratio <= self.bar if self.at_most else self.ratio >= self.bar

    def as_json(self) -> dict[str, object]:
        """The object that `--json` prints."""
        return {
            "what": self.what,
            "ours_us": _rounded(self.ours_us),
            "rival_us": _rounded(self.rival_us),
            "ratio": _rounded(self.ratio),
            "bar": self.bar,
            "holds": self.holds,
            "unit": self.unit,
            "at_most": self.at_most,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest[W]:
    """`ours` and `rival` do the same with a workload of `count` things."""

    what: str
    workload: Callable[[], W]
    count: int
    ours: Callable[[W], object]
    rival: Callable[[W], object]
    bar: float

    def run(self, rounds: int) -> Row:
        """Times per thing, in microseconds. One round beforehand warms caches and is not counted."""
        times: list[tuple[float, float]] = []
        for _ in range(rounds + 1):
            work = self.workload()
            times.append((self._time(self.ours, work), self._time(self.rival, work)))
        del times[0]
        return Row(
            what=self.what,
            ours_us=median(ours for ours, _ in times),
            rival_us=median(rival for _, rival in times),
            ratio=median(rival / ours for ours, rival in times),
            bar=self.bar,
        )

    def _time(self, run: Callable[[W], object], work: W) -> float:
        gc.collect()
        begun = time.perf_counter()
        made = run(work)
        elapsed = time.perf_counter() - begun
        del made
        return elapsed * 1e6 / self.count


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
