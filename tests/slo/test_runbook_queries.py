"""A runbook's checks answer in the trouble that they are for, which is when series are missing or mad."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo.model import Counted, RawEvents
from slo.runbooks import FOLDER, queries
from tests.slo.examples import BEATS, group, promise
from tests.slo.promtool import evaluate, expect


def check(page: str, number: int) -> str:
    return queries((FOLDER / f"{page}.md").read_text("utf-8"))[number - 1]


@pytest.mark.parametrize("values", ["0+1x20", "0+1x20 20x40"], ids=["not scraped", "scraped as it was"])
def test_the_last_beat_is_told_long_after_it(tmp_path: Path, values: str) -> None:
    """At 40 minutes, of a heart that stopped at 20: within the two minutes that a change counts for."""
    age = check("telemetry-silent", 2)
    evaluate(
        tmp_path,
        [],
        {BEATS: values},
        [expect(f"({age}) >= bool 1075", "40m", 1), expect(f"({age}) <= bool 1200", "40m", 1)],
    )


@pytest.mark.parametrize("numerator", ["good", "bad"])
def test_counts_that_contradict_are_found_whichever_is_counted(tmp_path: Path, numerator: str) -> None:
    twice = Counted(
        numerator="good" if numerator == "good" else "bad",
        part=RawEvents(query="sum(rate(twice[{{.window}}]))"),
        total=RawEvents(query="sum(rate(once[{{.window}}]))"),
    )
    found = f"count({check('counts-contradict', 1)})"
    series = {"once": "0+10x30", "twice": "0+20x30"}
    evaluate(tmp_path, [group(promise(indicator=twice))], series, [expect(found, "30m", 1)])
