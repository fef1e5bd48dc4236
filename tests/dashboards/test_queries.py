"""Every PromQL query of every panel is asked of a real Prometheus under a known mix, and answers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from dashboards import build
from tests.dashboards.conftest import Run
from tests.dashboards.filled import Query, promql, queries, without_zero

MAY_BE_EMPTY: Mapping[str, str] = {}
"""Queries that the mix cannot give data, by what their id holds, each with the reason."""


def test_every_query_has_an_answer(run: Run) -> None:
    def is_silent(query: Query) -> bool:
        text = without_zero(promql(query.text))
        found = run.query(text) if query.instant else run.over_time(text)
        return not any(_has_number(series) for series in found)

    def unexplained(queries: list[Query]) -> list[Query]:
        return [each for each in queries if not any(words in each.id for words in MAY_BE_EMPTY)]

    silences = [query for query in run.asked if is_silent(query)]
    silent = [query.id for query in silences]
    # A busy machine misses scrapes, and a rate over few seconds needs two: such a one is asked again, not forgiven.
    missing = unexplained(silences)
    deadline = time.monotonic() + 20
    while missing and time.monotonic() < deadline:
        time.sleep(1)
        missing = [query for query in missing if is_silent(query)]
    assert missing == [], "\n".join(query.id for query in missing)
    unused = [words for words in MAY_BE_EMPTY if not any(words in each for each in silent)]
    assert unused == [], "these have data after all"


def test_every_annotation_has_an_answer(run: Run, generated: dict[str, dict[str, Any]]) -> None:
    expressions = {
        each["expr"] for d in generated.values() for each in d["annotations"]["list"] if "expr" in each
    }
    assert len(expressions) == 2
    assert [each for each in expressions if not run.over_time(promql(each))] == []


def test_every_variable_has_values(run: Run, generated: dict[str, dict[str, Any]]) -> None:
    """`label_values(series, label)`, as Grafana asks it."""
    asked = {
        v["definition"]
        for d in generated.values()
        for v in d["templating"]["list"]
        if v.get("datasource", {}).get("type") == "prometheus"
    }
    assert len(asked) >= 7
    for definition in asked:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", definition)
        assert found is not None, definition
        series = promql(found[1])
        answer = run.client.get(f"/api/v1/label/{found[2]}/values", params={"match[]": series}).json()
        assert answer["data"], definition


def test_only_the_promises_windows_differ_from_what_is_committed(
    run: Run, generated: dict[str, dict[str, Any]]
) -> None:
    """What was asked above is what is committed, but for time that is compressed where promises are shown."""
    asked = build.dashboards(run.sources)
    assert {name for name in generated if asked[name] != generated[name]} <= {"slo.json", "service.json"}
    window = re.compile(r'window="\w+"|\[\w+\]')
    for name in ("slo.json", "service.json"):
        pairs = zip(queries(asked, "prometheus"), queries(generated, "prometheus"), strict=True)
        for ours, committed in pairs:
            if "bool" not in ours.text:  # the tiers that can fire are as many, their windows are others
                assert window.sub("", ours.text) == window.sub("", committed.text), name


def _has_number(series: Mapping[str, Any]) -> bool:
    values = series.get("values") or [series["value"]]
    return any(value not in ("NaN", "+Inf", "-Inf") for _, value in values)
