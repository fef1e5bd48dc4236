"""What somebody reads who is woken: every text of a burn's alert, as Prometheus fills it in."""

from __future__ import annotations

from pathlib import Path

import yaml

from slo.rules import rule_file
from tests.slo.examples import SERIES, group, promise, settings
from tests.slo.promtool import promtool, run

OK, ERROR = f'{SERIES}{{lumigate_outcome="complete"}}', f'{SERIES}{{lumigate_outcome="error"}}'
BOARD, RUNBOOKS = settings().dashboards.grafana_url, settings().runbook_url


def reads(
    folder: Path,
    series: dict[str, str],
    at: str,
    severity: str,
    texts: dict[str, str],
    seconds: tuple[int, int],
) -> None:
    """At that time this one alert fires, with these texts and a link over these Unix seconds."""
    since, until = (1000 * second for second in seconds)
    (folder / "rules.yaml").write_text(rule_file([group(promise(policy=f"{severity}-only"))]))
    expected = {
        "exp_labels": {"severity": severity, "service": "lumigate", "slo": "example"},
        "exp_annotations": {
            "description": "Requests do not end in an error. Objective: 99.9% over 30 days.",
            "dashboard": f"{BOARD}/d/lumigate-slo?from={since}&to={until}&var-service=lumigate&var-slo=example",
            "runbook_url": f"{RUNBOOKS}/example.md",
            **texts,
        },
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"alertname": "LumigateExampleBurn", "eval_time": at, "exp_alerts": [expected]}],
    }
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(content))
    run(promtool(), "test", "rules", folder / "test.yaml")


def test_a_page_tells_how_fast_how_much_and_until_when(tmp_path: Path) -> None:
    """Ten minutes before an outage of one: a tenth of 10,000 is a hundred budgets, and an hour's links are six long."""
    reads(
        tmp_path,
        {OK: "0+1000x9 9000", ERROR: "0x9 1000"},
        "11m",
        "page",
        {
            "summary": "Example: the error budget burns 100 times too fast.",
            "budget": "10000.0% of the error budget is spent; at this pace the rest lasts 0s.",
            "condition": "A page at 14.4 times over 1h and 5m or 6 times over 6h and 30m, from 5 bad events on.",
        },
        (660 - 6 * 3600, 660),
    )


def test_a_ticket_of_what_is_over_does_not_say_that_the_budget_is_about_to_end(tmp_path: Path) -> None:
    """An hour at ten times too fast, then none for more than an hour: nothing burns now, and much is spent."""
    reads(
        tmp_path,
        {OK: "0+990x60 60400+1000x90", ERROR: "0+10x60 600x90"},
        "140m",
        "ticket",
        {
            "summary": "Example: the error budget burns 4.32 times too fast.",
            "budget": "431.7% of the error budget is spent; at this pace the rest lasts longer than the period.",
            "condition": "A ticket at 3 times over 1d and 2h or 1 times over 3d and 6h, from 5 bad events on.",
        },
        (8400 - 72 * 3600, 8400),
    )
