"""The gate of `slo status` opens on what was seen only, and what it cannot read it says in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.cli import main
from slo.sources import prometheus_client
from slo.standing import Gate
from tests.slo.stand_ins import Answer, always, changed, prometheus


def test_a_gate_does_not_open_while_nothing_is_seen(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Telemetry stopped ten minutes ago: no burn shows, and a month's coverage is as good as ever."""
    well = prometheus(bad=0, total=1_000_000, retention="31d")
    command = ["slo", "status", "--json", "--slo", "availability", "--prometheus"]
    for result in ([{"metric": {}, "value": [0, "0"]}], []):
        url = serve(changed(well, lambda query, result=result: result if "observed" in query else None))  # type: ignore[misc]
        assert main([*command, url]) == Gate.UNOBSERVED
        assert json.loads(capsys.readouterr().out)["slos"][0]["silent"] is True


def test_a_gate_does_not_open_on_rules_that_are_not_evaluated_any_more(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Sums over a month are still there when the records themselves have become stale."""
    url = serve(changed(prometheus(0, 1_000_000), lambda query: [] if "coverage" in query else None))
    assert main(["slo", "status", "--prometheus", url]) == Gate.UNOBSERVED
    assert "unobserved" in capsys.readouterr().out


def test_a_young_service_is_judged_by_what_could_be_seen_of_it(serve: Callable[[Answer], str]) -> None:
    """Three days old: a tenth of the period, and all of its life."""
    shares = {"slo:coverage:ratio": "0.1", "slo:coverage_expected:ratio": "0.1"}
    command = ["slo", "status", "--slo", "availability", "--prometheus"]

    def changes(query: str) -> list[Any] | None:
        share = shares.get(query.partition("{")[0])
        return None if share is None else [{"metric": {}, "value": [0, share]}]

    assert main([*command, serve(changed(prometheus(0, 1_000_000), changes))]) == Gate.OPEN
    shares["slo:coverage:ratio"] = "0.05"
    assert main([*command, serve(changed(prometheus(0, 1_000_000), changes))]) == Gate.UNOBSERVED


@pytest.mark.parametrize(
    ("retention", "told"),
    [
        ("30d", None),
        ("720h", None),
        ("31d or 10GB", None),
        ("4w2d", None),
        ("360h", "15d"),
        ("1w3d12h", "10d12h"),
    ],
)
def test_retention_shorter_than_the_period_is_told(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str], retention: str, told: str | None
) -> None:
    main(
        ["slo", "status", "--prometheus", serve(prometheus(0, 1_000_000, retention)), "--slo", "availability"]
    )
    output = capsys.readouterr().out
    assert ("Prometheus keeps" in output) is (told is not None)
    assert told is None or f"Prometheus keeps {told}, shorter than the period of 30d" in output


def test_a_gate_does_not_open_on_a_promise_that_is_not_recorded(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(changed(prometheus(0, 1_000_000), lambda query: [] if '"llm-errors"' in query else None))
    assert main(["slo", "status", "--json", "--prometheus", url]) == Gate.UNOBSERVED
    content = json.loads(capsys.readouterr().out)
    assert (content["gate"], content["missing"], len(content["slos"])) == ("unobserved", ["llm-errors"], 13)
    assert main(["slo", "status", "--prometheus", url, "--slo", "availability"]) == Gate.OPEN


def test_what_a_deploy_burned_is_asked_for_the_time_since_it(serve: Callable[[Answer], str]) -> None:
    asked: list[str] = []

    def changes(query: str) -> list[Any] | None:
        asked.append(query)
        return None

    url = serve(changed(prometheus(0, 1_000_000), changes))
    since = datetime.now(UTC) - timedelta(hours=30)
    main(["slo", "status", "--prometheus", url, "--slo", "availability", "--since", since.isoformat()])
    (burned,) = [query for query in asked if query.startswith("sum_over_time(slo:bad:increase{")]
    assert re.search(r"\[1d6h(\d+m)?(\d+s)?(\d+ms)?\]", burned), burned
    assert main(["slo", "status", "--prometheus", url, "--since", "2999-01-01"]) == Gate.UNREADABLE


def test_a_mark_that_grafana_does_not_take_is_an_error(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "t")
    command = ["slo", "status", "--prometheus", serve(prometheus(0, 1_000_000)), "--slo", "availability"]
    assert main([*command, "--annotate", serve(always((403, "no")))]) == Gate.UNREADABLE
    assert "answered 403 to the annotation" in capsys.readouterr().err
    assert main([*command, "--annotate", "http://127.0.0.1:1"]) == Gate.UNREADABLE
    assert "cannot be reached" in capsys.readouterr().err


def test_a_prometheus_behind_a_token_is_read_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "authorization" not in prometheus_client("http://p", {}).headers
    assert prometheus_client("http://p", {"PROMETHEUS_TOKEN": "t"}).headers["authorization"] == "Bearer t"


def test_an_error_says_what_to_do_and_tells_no_password(
    serve: Callable[[Answer], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(always((401, "who\nare you")))
    assert main(["slo", "status", "--prometheus", url.replace("//", "//me:secret@")]) == Gate.UNREADABLE
    told = capsys.readouterr().err
    assert told == f"lumigate slo: {url} answered 401: who are you (its token goes into PROMETHEUS_TOKEN)\n"
    assert main(["slo", "status", "--prometheus", "http://me:secret@127.0.0.1:1"]) == Gate.UNREADABLE
    assert "secret" not in capsys.readouterr().err
    assert main(["slo", "status", "--prometheus", "http://[::"]) == Gate.UNREADABLE
    assert capsys.readouterr().err.startswith("lumigate slo: this is no address")
    monkeypatch.setenv("PROMETHEUS_TOKEN", "schlüssel")
    assert main(["slo", "status", "--prometheus", url]) == Gate.UNREADABLE
    assert "characters that no token has" in capsys.readouterr().err
