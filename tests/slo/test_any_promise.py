"""Whatever objective, period and words a spec has, Prometheus takes its rules, and they pass their tests."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from slo import records
from slo.build import Sources, generate, generate_tests, write
from slo.durations import DAY
from slo.loading import load_promises
from slo.model import Promise, RawRatio
from slo.windows import minimum_bad_events, tiers
from tests.slo.examples import group, policy, promise, settings
from tests.slo.promtool import evaluate, expect, promtool, run
from tests.slo.test_specs import changed


def built(folder: Path, *promises: Promise) -> list[Path]:
    """The rule files and, for each, the file of its test."""
    sources = Sources(promises=promises, settings=settings(), policy=policy())
    write(folder / "rules", generate(sources))
    tests = generate_tests(sources, "../rules/prometheus")
    write(folder / "tests", tests)
    names = [one.name for one in promises]
    run(promtool(), "check", "rules", *(folder / f"rules/prometheus/{name}.rules.yaml" for name in names))
    return [folder / f"tests/{name}.test.yaml" for name in names if f"{name}.test.yaml" in tests]


@pytest.mark.parametrize(
    ("target", "days", "policy_"),
    [
        ("0.99999", 30, "page-and-ticket"),
        ("0.999", 90, "page-and-ticket"),
        ("0.995", 365, "page-and-ticket"),
        ("0.999", 1, "page-only"),
        ("0.97", 28, "page-and-ticket"),
        ("0.5", 7, "ticket-only"),
    ],
)
def test_any_objective_over_any_period_has_rules_that_pass_their_tests(
    tmp_path: Path, target: str, days: int, policy_: str
) -> None:
    (test,) = built(tmp_path, promise(target=Decimal(target), period=days * DAY, policy=policy_))
    run(promtool(), "test", "rules", test)


@pytest.mark.parametrize(("budget", "count"), [(0.4, 11), (0.5, 14), (0.9, 88), (0.999, 9206)])
def test_where_only_the_slowest_burn_is_left_a_row_of_failures_is_evidence(budget: float, count: int) -> None:
    """Half of the time, a service that just keeps such an objective burns that fast."""
    assert minimum_bad_events(budget, tiers(30 * DAY, 60.0)) == count
    assert budget**count <= 1e-4 < budget ** (count - 1)


@pytest.mark.parametrize("days", [90, 365])
def test_windows_scale_upwards_too(days: int) -> None:
    shares = [tier.factor * tier.long / (days * DAY) for tier in tiers(days * DAY, 60.0)]
    assert shares == pytest.approx([0.02, 0.05, 0.1, 0.1])


def test_words_that_look_like_a_template_are_words(tmp_path: Path) -> None:
    text = changed("description: An example.", 'description: "Costs {{ x }} or $5, `50%`"')
    text = text.replace("  name: example\nspec", '  name: example\n  displayName: "P{{99}}"\nspec')
    (tmp_path / "example.yaml").write_text(text)
    (one,) = load_promises(tmp_path)
    built(tmp_path, one)
    page = next(alert for alert in group(one).alerts if alert.severity == "page")
    assert page.annotations["summary"].startswith('P{{ "{{" }}99}}: the error budget burns ')
    assert page.annotations["description"].startswith('Costs {{ "{{" }} x }} or $5, `50%`. Objective')


def test_annotations_have_names_that_prometheus_takes(tmp_path: Path) -> None:
    names = "annotations: {team-name: a, page.labels/on.call: b, example.com/owner: c}"
    (tmp_path / "example.yaml").write_text(
        changed("  name: example\nspec", f"  name: example\n  {names}\nspec")
    )
    (one,) = load_promises(tmp_path)
    built(tmp_path, one)
    page = next(alert for alert in group(one).alerts if alert.severity == "page")
    assert page.annotations["team_name"] == "a"
    assert page.labels["on_call"] == "b"


def test_what_is_recorded_as_constant_is_what_the_spec_says(tmp_path: Path) -> None:
    one = promise(target=Decimal("0.9995"), period=28 * DAY)
    values = {records.OBJECTIVE: 0.9995, records.PERIOD: 28 * DAY, records.MINIMUM_BAD: 5}
    evaluate(tmp_path, [group(one)], {}, [expect(f"sum({name})", "1m", at) for name, at in values.items()])


@pytest.mark.parametrize(
    ("series", "failure", "bad", "total"),
    [
        ({"q": "0.5 0.5 0.5 0.5"}, True, 2, 4),
        ({"q": "0.5 NaN NaN 0.5"}, True, 1, 2),
        ({"q": "+Inf 0 0 0"}, True, 1, 4),
        ({"q": "-Inf 1.5 -0.5 0"}, True, 1, 3),
        ({"q": "1.0001 0.5 NaN 0"}, False, 1.5, 3),
        ({'q{a="1"}': "0.25x3", 'q{a="2"}': "0.5x3"}, True, 1.5, 4),
    ],
    ids=["a number", "idle", "infinite", "out of range", "successes", "several series"],
)
def test_a_raw_ratio_is_a_ratio_whatever_its_query_says(
    tmp_path: Path, series: dict[str, str], failure: bool, bad: float, total: float
) -> None:
    """One infinite step would be a spent budget for the whole period; an idle one, NaN, counts neither way."""
    indicator = RawRatio(query="last_over_time(q[{{.window}}])", failure=failure)
    fields: dict[str, Any] = {"indicator": indicator}
    evaluate(
        tmp_path,
        [group(promise(**fields))],
        series,
        [
            expect("sum(slo:period_total:events)", "3m", total),
            expect("sum(slo:period_bad:events)", "3m", bad),
        ],
    )
