"""`slo status`: read, judged, told, and a gate by exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.cli import main
from slo.durations import DAY, HOUR, MINUTE
from slo.sources import SourceError, read_analytics_engine
from slo.standing import Gate, Reading, overall, standing
from slo.status import burned, table
from slo.windows import tiers
from tests.slo.examples import policy, promise
from tests.slo.stand_ins import Answer, always, prometheus


def reading(bad: float, total: float, **more: Any) -> Reading:
    """The same counts in every window."""
    windows = {w for tier in tiers(30 * DAY, MINUTE) for w in (tier.long, tier.short)} | {30 * DAY}
    return Reading(bad=dict.fromkeys(windows, bad), total=dict.fromkeys(windows, total), **more)


@pytest.mark.parametrize(
    ("found", "gate", "stage"),
    [
        (reading(0, 1_000_000, coverage=1), Gate.OPEN, None),
        (reading(600, 1_000_000, coverage=1), Gate.OPEN, "Half"),
        (reading(800, 1_000_000, coverage=1), Gate.OPEN, "Most"),
        (reading(1_000, 1_000_000, coverage=1), Gate.BLOCKED, "All"),
        (reading(4, 10, coverage=1), Gate.OPEN, None),
        (reading(0, 1_000_000, coverage=0.5), Gate.UNOBSERVED, None),
        (reading(0, 0, coverage=1), Gate.OPEN, None),
        (reading(0, 1_000_000, coverage=1, silent=True), Gate.UNOBSERVED, None),
        (reading(1_000, 1_000_000, coverage=1, silent=True), Gate.BLOCKED, "All"),
    ],
)
def test_the_policy_decides_by_the_budget_that_is_spent(
    found: Reading, gate: Gate, stage: str | None
) -> None:
    """Four failures of ten are no evidence: the budget is four hundredfold spent, and the gate stays open."""
    judged = standing(promise(), found, policy())
    assert judged.gate is gate
    assert (judged.stage.name if judged.stage else None) == stage


def test_a_burn_that_would_page_stops_a_release_before_the_budget_is_gone() -> None:
    found = reading(0, 1_000_000, coverage=1)
    bad = dict(found.bad) | {HOUR: 20_000, 5 * MINUTE: 20_000}
    judged = standing(promise(), Reading(bad=bad, total=found.total, coverage=1), policy())
    assert judged.gate is Gate.BURNING
    assert judged.burning == {"page"}
    assert judged.exhaustion == pytest.approx(30 * DAY / 20)


def test_a_burn_that_is_over_or_has_only_begun_does_not_stop_a_release() -> None:
    """As with the alerts: fast over the long window and over the short one."""
    found = reading(0, 1_000_000, coverage=1)
    for window in (HOUR, 5 * MINUTE):
        bad = dict(found.bad) | {window: 20_000}
        judged = standing(promise(), Reading(bad=bad, total=found.total, coverage=1), policy())
        assert (judged.gate, judged.burning) == (Gate.OPEN, frozenset())


def test_a_promise_that_pages_nobody_does_not_stop_a_release_by_its_burn() -> None:
    found = reading(0, 1_000_000, coverage=1)
    bad = dict(found.bad) | {HOUR: 20_000, 5 * MINUTE: 20_000}
    judged = standing(
        promise(policy="ticket-only"), Reading(bad=bad, total=found.total, coverage=1), policy()
    )
    assert judged.gate is Gate.OPEN
    assert judged.burning == {"page"}


def test_a_negative_count_is_a_whole_budget() -> None:
    assert standing(promise(), reading(-50, 1_000), policy()).remaining == 1


def test_the_strictest_gate_counts() -> None:
    stood = [
        standing(promise(), reading(bad, 1_000_000, coverage=c), policy())
        for bad, c in ((0, 0.1), (2_000, 1))
    ]
    assert overall(stood) is Gate.BLOCKED
    assert overall(stood[:1]) is Gate.UNOBSERVED


def test_a_deploy_is_told_what_it_burned() -> None:
    judged = standing(promise(), reading(100, 1_000_000, bad_since=50), policy())
    assert judged.burned_since == pytest.approx(0.05)
    assert burned([judged], "1.2.3") == "deploy 1.2.3 burned 5.0% of example"
    assert burned([standing(promise(), reading(0, 10, bad_since=0), policy())], None).endswith(
        "nothing of any budget"
    )


def test_a_deploy_of_which_nobody_asked_since_when_is_not_said_to_have_burned_nothing() -> None:
    assert burned([standing(promise(), reading(100, 1_000_000), policy())], "1.2.3") == "deploy 1.2.3"


def test_a_budget_that_is_gone_does_not_last_a_minute() -> None:
    row = table([standing(promise(), reading(2_000, 1_000_000, coverage=1), policy())]).splitlines()[1]
    assert "gone" in row.split()


def test_burns_are_read_over_the_windows_that_the_rules_have() -> None:
    """Rules that are evaluated every quarter of an hour count in other windows than those of a minute."""
    one, step = promise(period=7 * DAY), 15 * MINUTE
    windows = {w for tier in tiers(7 * DAY, step) for w in (tier.long, tier.short)} | {7 * DAY}
    found = Reading(bad=dict.fromkeys(windows, 50.0), total=dict.fromkeys(windows, 1_000.0), coverage=1)
    judged = standing(one, found, policy(), step)
    assert judged.burning == {"page", "ticket"}
    assert "50.00x" in table([judged], step)


def test_the_table_is_aligned() -> None:
    lines = table(
        [standing(promise(), reading(100, 1_000_000, coverage=1, covered=0.5), policy())]
    ).splitlines()
    head, row = lines
    assert row.split() == [
        "example",
        "99.9%",
        "99.9900%",
        "100",
        "1,000,000",
        "90.0%",
        "0.10x",
        "-",
        "50.0%",
        "ok",
    ] or ("270d" in row)
    assert head.index("objective") + len("objective") == row.index("99.9%") + len("99.9%")


# --- the command


def test_the_command_prints_and_gates(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(prometheus(bad=0, total=1_000))
    assert main(["slo", "status", "--prometheus", url]) == Gate.OPEN
    output = capsys.readouterr().out
    assert output.count("100.0000%") == 14
    assert "note: Prometheus keeps 15d, shorter than the period of 30d" in output
    assert output.endswith("gate: open: releases may go on\n")


def test_the_command_answers_machines(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(prometheus(bad=10, total=1_000, retention="31d"))
    code = main(
        ["slo", "status", "--prometheus", url, "--json", "--slo", "availability", "--since", "2026-01-01"]
    )
    assert code == Gate.BLOCKED
    content = json.loads(capsys.readouterr().out)
    (slo,) = content["slos"]
    assert content["gate"] == "blocked"
    assert content["notes"] == []
    assert slo["attainment"] == pytest.approx(0.99)
    assert slo["budget_spent"] == pytest.approx(10)
    assert slo["burn_rate"]["1h"] == pytest.approx(10)
    assert slo["budget_burned_since"] == pytest.approx(5)
    assert slo["releases"] == "blocked"


def test_a_deploy_is_marked_in_grafana(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[dict[str, Any]] = []

    def grafana(path: str, body: str) -> tuple[int, Any]:
        assert path == "/api/annotations"
        notes.append(json.loads(body))
        return 200, {"id": 1}

    url, board = serve(prometheus(bad=10, total=1_000_000)), serve(grafana)
    command = [
        "slo",
        "status",
        "--prometheus",
        url,
        "--slo",
        "availability",
        "--since",
        "2026-01-01",
        "--deploy",
        "v9",
    ]
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    assert main([*command, "--annotate", board]) == Gate.UNREADABLE
    assert "GRAFANA_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("GRAFANA_TOKEN", "t")
    assert main([*command, "--annotate", board]) == Gate.OPEN
    (note,) = notes
    assert note["text"] == "deploy v9 burned 0.5% of availability"
    assert note["time"] < note["timeEnd"]
    assert "v9" in note["tags"]


def test_what_cannot_be_read_is_an_error_in_one_line(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[tuple[int, Any]] = [(500, "broken"), (200, "<html>"), (200, {"data": 1})]
    for answer in answers:
        url = serve(always(answer))
        assert main(["slo", "status", "--prometheus", url]) == Gate.UNREADABLE
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["slo", "status", "--prometheus", "http://127.0.0.1:1"]) == Gate.UNREADABLE
    assert "cannot be reached" in capsys.readouterr().err
    assert main(["slo", "status", "--slo", "speed"]) == 2
    assert "there is no promise 'speed'" in capsys.readouterr().err


def test_rules_that_are_not_loaded_are_told(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(always((200, {"status": "success", "data": {"result": []}})))
    assert main(["slo", "status", "--prometheus", url]) == Gate.UNREADABLE
    assert "are the generated rules loaded?" in capsys.readouterr().out


def test_analytics_engine_is_read_too(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(path: str, body: str) -> tuple[int, Any]:
        assert path == "/client/v4/accounts/abc/analytics_engine/sql"
        assert "FROM lumigate_requests_production" in body
        names = [word for word in body.replace(",", " ").split() if word.startswith(("bad_", "total_"))]
        return 200, {
            "meta": [],
            "data": [{n: "1000" if n.startswith("total") else 0 for n in names}],
            "rows": 1,
        }

    url = serve(answer)
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)
    assert main(["slo", "status", "--analytics-engine", url]) == Gate.UNREADABLE
    assert "CLOUDFLARE_API_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "abc")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "t")
    assert main(["slo", "status", "--analytics-engine", url]) == Gate.OPEN
    output = capsys.readouterr().out
    assert "note: deploys: the data point does not hold what it needs; ask Prometheus" in output
    assert output.count("100.0000%") == 10
    with pytest.raises(SourceError, match="no number"):
        read_analytics_engine(
            serve(always((200, {"data": [{"bad_300": "x"}]}))),
            "abc",
            "t",
            "d",
            [p for p in _sources() if p.name == "availability"],
        )


def test_a_gate_does_not_open_on_an_empty_dataset(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Points have no heartbeat: where there is none at all, the service may be idle, or nothing is written."""
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "abc")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "t")
    for rows in ([], [{"bad_300": None, "total_2592000": "0"}]):
        url = serve(always((200, {"data": rows})))
        assert main(["slo", "status", "--analytics-engine", url]) == Gate.UNOBSERVED
        assert "note: not one data point in the period" in capsys.readouterr().out


def _sources() -> Any:
    from slo.build import Sources

    return Sources.load().promises
