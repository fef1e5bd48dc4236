"""promtool's tests of the notices: each fires in its trouble, ends with it, and sleeps through its neighbours.

What an alert ought to say is worked out here by counting in lists; nothing of it is shared with the rules but the
numbers in the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lumigate.exposition.names import prometheus_label, prometheus_name
from slo.durations import promql
from slo.emissions import Emission, classes
from slo.model import Counted
from slo.notices import NOTICES, Notice
from slo.prometheus import heartbeat
from slo.promql import quoted
from slo.rules import to_yaml
from slo.service_alerts import alert_prefix
from slo.settings import Settings
from slo.timeline import Sample, Segment, notation, per_step, running_total
from slo.troubles import Trouble

type History = Sequence[tuple[int, int]]
"""Good and bad events by step."""
_OTHERS: Final = 50
"""Good events a step of a neighbour that an alert tells apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """`firing` at steps of the history; a notice in `never` does not fire in all of it."""

    name: str
    history: History
    firing: tuple[tuple[int, Notice, bool], ...] = ()
    never: tuple[Notice, ...] = ()
    inputs: tuple[dict[str, str], ...] | None = None
    """Series to be played instead of those that the history makes."""


def notice_rule_test(settings: Settings, rule_file: str) -> str:
    """A test file for all of them."""
    step = settings.step_seconds
    tests = [
        _test(notice.trouble, settings, case)
        for notice in NOTICES
        for cases in (_of_a_trouble, _no_page, _neighbours, _counts_of_isolates)
        for case in cases(notice)
    ]
    content = {"rule_files": [rule_file], "evaluation_interval": promql(step), "tests": tests}
    return to_yaml(content)


def holds(notice: Notice, history: History) -> bool:
    """Whether the notice holds at the end of the history, by counting."""
    window, recent = history[-notice.window :], history[-notice.recent :]
    bad, every = sum(b for _, b in window), sum(g + b for g, b in window)
    return (
        bad >= notice.least
        and sum(b > 0 for _, b in window) >= notice.lasting
        and any(b for _, b in recent)
        and (not notice.share or bad >= notice.share * every)
    )


def first_step(notice: Notice, history: History, *, after: int = 0, holding: bool = True) -> int | None:
    """The first step after `after` at which the notice holds (or, not `holding`, is over)."""
    steps = range(after, len(history))
    return next((at for at in steps if holds(notice, history[: at + 1]) is holding), None)


def _of_a_trouble(notice: Notice) -> list[_Case]:
    """Healthy, then in trouble, then healthy again: it fires, not before its time, and ends."""
    healthy, after = (Segment(steps=notice.window + more, good=100) for more in (0, 5))
    trouble = Segment(steps=2 * notice.window, bad=100 if notice.share else _least_a_step(notice))
    history = per_step([healthy, trouble])
    fires = first_step(notice, history)
    assert fires is not None, f"{notice.alert} never fires"
    ends = fires + 3
    history = [*history[:ends], *per_step([after])[1:]]
    over = first_step(notice, history, after=fires + 1, holding=False)
    assert over is not None, f"{notice.alert} never ends"
    return [
        _Case(
            name=f"a {notice.severity} after {fires - notice.window} steps of trouble, "
            f"none {over - ends + 1} after its end",
            history=history[: over + 2],
            firing=(
                (fires - 1, notice, False),
                (fires, notice, True),
                (over - 1, notice, True),
                (over, notice, False),
            ),
        )
    ]


def _no_page(notice: Notice) -> list[_Case]:
    """What is worth a ticket only, where there is a page for the same: one bad event every other step, or fewer."""
    pages = tuple(each for each in _same(notice) if each.severity == "page")
    if notice.severity == "page" or not pages:
        return []
    if notice.share:
        good = max(1, int((1 / notice.share - 1) / 1.5))
        history = [(0, 0), *[(good, 0), (0, 1)] * notice.window]
    else:
        pause = [(0, 0)] * pages[0].window
        history = [(0, 0), *[(0, 1), *pause] * notice.least]
    at = first_step(notice, history)
    assert at is not None, f"{notice.alert}: no ticket"
    return [
        _Case(
            name=f"slow trouble: a ticket after {at} steps, and no page",
            history=history[: at + 5],
            firing=((at - 1, notice, False), (at, notice, True)),
            never=pages,
        )
    ]


def _neighbours(notice: Notice) -> list[_Case]:
    """What must wake nobody; what is so for all notices of an event, over the longest window of them."""
    same = _same(notice)
    idle = per_step([Segment(steps=notice.window + 5)])
    stray = min(each.least for each in same) - 1
    longest = notice.window == max(each.window for each in same)
    found = [
        _Case(name="idle: its series are there and do not move", history=idle, never=same),
        _Case(name="its series are absent", history=idle, never=same, inputs=()),
        _Case(
            name=f"a few stray events: {stray} in all",
            history=[*per_step([Segment(steps=stray, bad=1)]), *idle],
            never=same,
        ),
    ]
    found = found if longest else []
    if notice.lasting > 1:
        burst = [(0, 1000)] * (notice.lasting - 1)
        name = f"brief: {len(burst)} steps of nothing but trouble, and then nothing at all"
        found.append(_Case(name=name, history=[*idle, *burst, *idle], never=(notice,)))
    if notice.share and longest:
        share = min(each.share for each in same)
        good = int(12 * (1 / share - 1)) + 1
        below = per_step([Segment(steps=notice.window + 10, good=good, bad=10)])
        found.append(_Case(name=f"too small a share: 10 of {good + 10}", history=below, never=same))
    for case in found:
        for each in case.never:
            assert first_step(each, case.history) is None, (each.alert, case.name)
    return found


def _counts_of_isolates(notice: Notice) -> list[_Case]:
    """Series without a zero at their beginning: new ones count whole; old ones in a new Prometheus do not."""
    if not notice.trouble.unsharded:
        return []
    bad = _least_a_step(notice)
    history: History = [(0, 0)] * 5 + [(0, bad)] * notice.window
    fires = first_step(notice, history)
    assert fires is not None
    isolates = tuple(
        _input(notice.trouble, "bad", [*[None] * at, *[float(bad)] * (fires + 1 - at)], f"isolate-{at}")
        for at in range(5, fires + 1)
    )
    old = _input(notice.trouble, "bad", [1000.0] * (notice.window + 5), "isolate-0")
    return [
        _Case(
            name="each of its events is in a new isolate's series, which begins with it",
            history=history[: fires + 1],
            firing=((fires - 1, notice, False), (fires, notice, True)),
            inputs=isolates,
        ),
        _Case(
            name="a Prometheus that starts anew sees what was counted long ago",
            history=[(0, 0)] * (notice.window + 5),
            never=_same(notice),
            inputs=(old,),
        ),
    ]


def _least_a_step(notice: Notice) -> int:
    """So many bad events a step that there are just enough when they have lasted."""
    return -(-notice.least // notice.lasting)


def _same(notice: Notice) -> tuple[Notice, ...]:
    """All notices of its event."""
    return tuple(each for each in NOTICES if each.trouble.event == notice.trouble.event)


def _test(trouble: Trouble, settings: Settings, case: _Case) -> dict[str, Any]:
    step, delay, prefix = settings.step_seconds, settings.delay_steps, alert_prefix(settings)
    last = len(case.history) - 1 + delay
    expectations = [
        {
            "expr": f"count({_firing(prefix, notice)}) or vector(0)",
            "eval_time": promql((at + delay) * step),
            "exp_samples": [{"labels": "{}", "value": float(fires)}],
        }
        for at, notice, fires in case.firing
    ]
    expectations += [
        {
            "expr": f"count_over_time({_firing(prefix, notice)}[{promql((last + 1) * step)}])",
            "eval_time": promql(last * step),
            "exp_samples": [],
        }
        for notice in case.never
    ]
    inputs = _inputs(trouble, case.history) if case.inputs is None else case.inputs
    beats = {"series": heartbeat(settings.heartbeat, settings.matchers), "values": f"0+1x{last}"}
    names = " and ".join(
        f"{n.alert} ({n.severity})" for n in dict.fromkeys([*(n for _, n, _ in case.firing), *case.never])
    )
    return {
        "name": f"{names}: {case.name}",
        "interval": promql(step),
        "input_series": [*inputs, beats],
        "promql_expr_test": expectations,
    }


def _inputs(trouble: Trouble, history: History) -> Iterable[dict[str, str]]:
    good, bad = ([pair[index] for pair in history] for index in (0, 1))
    found = [_input(trouble, "bad", running_total(bad), "shard-0")]
    if trouble.all is not None:
        found.append(_input(trouble, "good", running_total(good), "shard-0"))
    if trouble.by:
        well = running_total([_OTHERS if at else 0 for at in range(len(history))])
        found.append(_input(trouble, "good", well, "shard-0", value="another"))
    return found


def _input(
    trouble: Trouble, kind: str, samples: Sequence[Sample], instance: str, *, value: str = "collector"
) -> dict[str, str]:
    """The series that one good or bad event adds one to."""
    found = classes(Counted(numerator="bad", part=trouble.bad, total=trouble.all or trouble.bad))
    event = found.good if kind == "good" else found.bad
    assert event is not None, f"{trouble.event}: nothing is {kind}"
    (emission,) = event
    return {"series": _name(emission, trouble, instance, value), "values": notation(samples)}


def _name(emission: Emission, trouble: Trouble, instance: str, value: str) -> str:
    labels = [
        *((prometheus_label(key), text) for key, text in emission.labels),
        *((prometheus_label(attribute.key), value) for attribute in trouble.by),
        ("service_instance_id", instance),
    ]
    return (
        f"{prometheus_name(emission.metric)}{{{','.join(f'{key}={quoted(text)}' for key, text in labels)}}}"
    )


def _firing(prefix: str, notice: Notice) -> str:
    return f'ALERTS{{alertname="{prefix}{notice.alert}",severity="{notice.severity}",alertstate="firing"}}'
