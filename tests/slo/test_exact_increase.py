"""Every sample counts once, however late it was stored, and whenever rules look; the rule before this one lost some."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slo.build import ROOT
from slo.durations import shorthand_seconds
from slo.promql import BRIDGED_STEPS, increases_of_query
from tests.slo.examples import group, raw_promise, settings
from tests.slo.promtool import evaluate, expect

STEP, SETTLE = settings().step_seconds, settings().settle_seconds
STEPS = 20
LOOKBACK = 300.0
OURS = increases_of_query("increase(s[{{.window}}])", step=STEP, settle=SETTLE)
NAIVE = "((s - last_over_time(s[1h] offset 1m) >= 0) or (s and last_over_time(s[1h] offset 1m)))"
"""What it was: now, and a step ago."""

_RULE = re.compile(
    r"\(\((?P<now>.+?) - \(?(?P<before>.+?)(?: or (?P<first>.+?)\))? >= 0\) or \(?(?P=now)(?: and (?P=before)\))?\)"
)
_TERM = re.compile(r"(?P<what>last|min)_over_time\(s\[(?P<range>\w+)\](?: offset (?P<offset>\w+))?\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A sample: the time it bears, the time from which queries see it, and the counter."""

    at: float
    visible: float
    value: int


def seconds(duration: str) -> float:
    """Of a PromQL duration in minutes, seconds and the like."""
    return sum(
        int(number) * {"s": 1.0, "ms": 0.001}.get(unit, 0.0) or shorthand_seconds(number + unit)
        for number, unit in re.findall(r"(\d+)(ms|[smhd])", duration)
    )


def increase(rule: str, samples: list[Stored], now: float) -> float:
    """A rule's value at an instant, by what is stored then: the text that is generated is what is evaluated."""
    parts = _RULE.fullmatch(rule)
    assert parts is not None, rule
    stored = [sample for sample in samples if sample.visible <= now]

    def value(term: str | None) -> int | None:
        if term is None:
            return None
        found = _TERM.fullmatch(term)
        assert found is not None or term == "s", term
        end = now - (seconds(found["offset"] or "") if found else 0.0)
        start = end - (seconds(found["range"]) if found else LOOKBACK)
        values = [s.value for s in stored if start < s.at <= end]
        if not values:
            return None
        return min(values) if found and found["what"] == "min" else values[-1]

    last, before = value(parts["now"]), value(parts["before"])
    before = value(parts["first"]) if before is None else before
    if last is None or before is None:
        return 0.0
    return last - before if last >= before else last


def counted(rule: str, samples: list[Stored]) -> float:
    """The sum of what is recorded at every step, until long after the last sample."""
    steps = int(max(sample.visible for sample in samples) / STEP) + 3
    return sum(increase(rule, samples, at * STEP) for at in range(steps))


@st.composite
def scrapes(draw: st.DrawFn, *, latest: float) -> list[Stored]:
    """At any interval and phase, some missing, each stored up to `latest` seconds after its time."""
    interval = draw(st.sampled_from([7.0, 15.0, 30.0, 60.0, 90.0]))
    phase = draw(st.integers(0, int(interval) - 1))
    times = [phase + n * interval for n in range(int(STEPS * STEP / interval))]
    slowness = st.sampled_from([0.0, latest / 2, latest]) | st.floats(0, latest)
    first, *rest = times
    found = [Stored(at=first, visible=first + draw(slowness), value=draw(st.integers(0, 50)))]
    for at in rest:
        grown = found[-1].value + draw(st.integers(0, 9))
        if draw(st.integers(0, 4)):
            found.append(Stored(at=at, visible=at + draw(slowness), value=grown))
    return found


@given(scrapes(latest=SETTLE))
def test_all_that_a_counter_grew_by_is_recorded(samples: list[Stored]) -> None:
    assert counted(OURS, samples) == samples[-1].value - samples[0].value


def test_a_sample_stored_after_its_step_was_lost_for_ever() -> None:
    """Stamped a moment before the evaluation, stored a moment after: then, the evaluation; next, the one before."""
    samples = [
        Stored(at=0.0, visible=0.2, value=100),
        Stored(at=59.9, visible=60.1, value=107),
        Stored(at=119.9, visible=120.1, value=110),
    ]
    assert counted(OURS, samples) == 10
    assert counted(NAIVE, samples) == 0


def test_what_takes_longer_to_store_than_the_setting_says_is_lost() -> None:
    """Why the setting is to be longer than a scrape may last."""
    late = [Stored(at=n * 60.0 + 50, visible=n * 60.0 + 50 + SETTLE + 3, value=10 * n) for n in range(5)]
    assert counted(OURS, late) < 40
    patient = increases_of_query("increase(s[{{.window}}])", step=STEP, settle=SETTLE + 3)
    assert counted(patient, late) == 40


def test_a_gap_is_bridged_as_far_as_is_said() -> None:
    for gap, grown in ((BRIDGED_STEPS - 2, 5), (BRIDGED_STEPS + 2, 0)):
        samples = [Stored(at=t, visible=t, value=v) for t, v in ((30.0, 1), (30.0 + gap * STEP, 6))]
        assert counted(OURS, samples) == grown


def test_a_series_that_ends_in_the_middle_of_a_step_has_counted_until_then(tmp_path: Path) -> None:
    """Four scrapes a step; a shard is moved: its last scrapes were in a step at the end of which it was stale."""
    naive = {
        "record": "naive:increase",
        "expr": f"sum({re.sub(r'(?<![0-9a-z_])s(?![a-z_])', 'events_total', NAIVE)}) or vector(0)",
    }
    evaluate(
        tmp_path,
        [group(raw_promise("n"))],
        {'events_total{of="n",result="bad"}': "0+1x22 stale"},  # the last at 5m30s
        [
            expect("sum(slo:period_bad:events)", "8m", 22),
            expect("sum(sum_over_time(naive:increase[10m]))", "8m", 20),
        ],
        usual=[naive],
        interval="1m",
        scraped="15s",
    )


@pytest.mark.parametrize("phase", [0, 9, 31, 46, 51, 52, 53, 59])
def test_a_full_outage_pages_within_three_minutes_however_scrapes_and_rules_fall(
    tmp_path: Path, phase: int
) -> None:
    """An event a second, a sample a minute, `phase` seconds after the rules; the outage may begin at any moment of it.

    Worst is a first sample that shows almost enough: 51 s, where 14.4 times is 51.84. Five hours of traffic come first,
    at once, or the window of six hours would page sooner than it does after more than one.
    """
    promises, series, expectations = [], {}, []
    for begun in {*range(0, 60, 6), (phase - 51) % 60, (phase - 52) % 60}:
        outage = 3900 + begun
        name = f"n{begun}"
        promises.append(raw_promise(name))
        times = range(phase, outage + 600, 60)
        for result in ("good", "bad"):
            values = [
                min(t, outage) + 18_000 * (t > 60) if result == "good" else max(0, t - outage) for t in times
            ]
            gap = " _x59 "
            head = f"_x{phase} " if phase else ""
            series[f'events_total{{of="{name}",result="{result}"}}'] = head + gap.join(map(str, values))
        page = f'count(ALERTS{{slo="{name}",severity="page",alertstate="firing"}}) or vector(0)'
        expectations += [expect(page, f"{outage}s", 0), expect(page, f"{outage + 180}s", 1)]
    evaluate(tmp_path, [group(one) for one in promises], series, expectations, scraped="1s")


@pytest.mark.parametrize("file", ["prometheus/prometheus.yaml", "grafana/prometheus.yaml"])
def test_the_shipped_scrapes_end_before_rules_look(file: str) -> None:
    content = yaml.safe_load((ROOT.parent / "deploy" / file).read_text())
    assert seconds(content["global"]["scrape_timeout"]) < SETTLE
