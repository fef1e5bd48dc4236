"""What is noticed beside the promises. That each notice fires and sleeps is in the generated `notices.test.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lumigate.catalog import METRICS
from slo.model import Selection
from slo.notice_tests import first_step, holds
from slo.notices import NOTICES, TROUBLES, Notice
from slo.prometheus import service_group
from slo.rules import Alert, rule_file
from slo.troubles import Trouble
from tests.slo.examples import BEATS, policy, settings
from tests.slo.promtool import evaluate, expect, promtool, run

FETCHES = "lumigate_key_set_fetches_total"
LOST = "lumigate_worker_lost_invocations_total"


def firing(name: str, severity: str, **labels: str) -> str:
    every = {"alertname": f"Lumigate{name}", "severity": severity, "alertstate": "firing", **labels}
    return f"count(ALERTS{{{','.join(f'{key}="{value}"' for key, value in every.items())}}}) or vector(0)"


def play(folder: Path, series: dict[str, str], expectations: list[dict[str, Any]], **changes: Any) -> None:
    steps = 200
    beats = (
        {BEATS: " ".join(["1"] * steps)} if changes.get("temporality") == "delta" else {BEATS: f"0+1x{steps}"}
    )
    evaluate(folder, [service_group(settings(**changes), policy())], {**series, **beats}, expectations)


def selections(trouble: Trouble) -> list[Selection]:
    return [*trouble.bad.selections, *(trouble.all.selections if trouble.all else ())]


# --- the table


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: str(trouble.event))
def test_a_trouble_is_made_of_what_the_catalog_declares(trouble: Trouble) -> None:
    for selection in selections(trouble):
        assert selection.metric in METRICS
        declared = {attribute.key: attribute.values for attribute in selection.metric.attributes}
        for condition in selection.where:
            values = declared[condition.key]
            assert values is not None
            assert set(condition.values) < values, "or the condition leaves nothing to be counted"
        assert {attribute.key for attribute in trouble.by} <= set(declared)


def test_no_two_notices_are_the_same_alert() -> None:
    assert len({(notice.alert, notice.severity) for notice in NOTICES}) == len(NOTICES)
    for notice in NOTICES:
        assert notice.lasting <= notice.least
        assert notice.recent <= notice.window
        assert bool(notice.share) <= (notice.trouble.all is not None)


def test_every_trouble_has_its_dashboard() -> None:
    assert set(settings().dashboards.by_event) == {trouble.event for trouble in TROUBLES}


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: f"{notice.alert} ({notice.severity})")
def test_one_stray_event_is_nobodys_business(notice: Notice) -> None:
    assert notice.least > 1
    assert not holds(notice, [(0, 0), (0, 1)])
    assert first_step(notice, [(0, 0)] * 500) is None


# --- against promtool: what the generated scenarios do not have


def test_one_broken_issuer_of_two_is_a_ticket_and_no_page(tmp_path: Path) -> None:
    """The sound one is fetched once a minute, the broken one is asked again every ten seconds."""
    series = {
        f'{FETCHES}{{lumigate_key_set_result="ok"}}': "0+1x200",
        f'{FETCHES}{{lumigate_key_set_result="bad_content"}}': "0+6x200",
    }
    play(
        tmp_path,
        series,
        [
            expect(firing("KeySetFailing", "ticket", event="key-set", service="lumigate"), "1h", 1),
            expect(firing("KeySetUnavailable", "page"), "1h", 0),
        ],
    )


def test_a_token_that_was_refused_for_want_of_the_deny_list_counts_once_and_a_key_as_well(
    tmp_path: Path,
) -> None:
    """Refusing by setting, both metrics count the token; passing by setting, only one does."""
    auth = "lumigate_auth_checks_total"
    series = {
        'lumigate_revocation_checks_total{lumigate_revocation_result="unavailable"}': "0+10x20",
        f'{auth}{{lumigate_auth_method="bearer",lumigate_auth_reason="store_unavailable"}}': "0+10x20",
        f'{auth}{{lumigate_auth_method="api_key",lumigate_auth_reason="store_unavailable"}}': "0+3x20",
        f'{auth}{{lumigate_auth_method="api_key",lumigate_auth_reason="ok"}}': "0+7x20",
    }
    identity = '{service="lumigate",event="credential-store"}'
    play(
        tmp_path,
        series,
        [
            expect(f"sum(slo:event_bad:increase{identity})", "15m", 13),
            expect(f"sum(slo:event_all:increase{identity})", "15m", 20),
            expect(firing("CredentialStoreUnavailable", "page"), "15m", 1),
        ],
    )


def test_a_destination_that_takes_nothing_is_named_although_another_is_well(tmp_path: Path) -> None:
    requests = "lumigate_telemetry_export_requests_total"
    series = {
        f'{requests}{{destination="a",signal="traces",result="connection"}}': "0+1x60",
        f'{requests}{{destination="a",signal="logs",result="ok"}}': "0+1x60",
        f'{requests}{{destination="b",signal="traces",result="partial"}}': "0+1x60",
        f'{requests}{{destination="b",signal="traces",result="throttled"}}': "0+9x60",
    }
    broken = firing("ExportsFailing", "ticket", destination="a", signal="traces")
    play(tmp_path, series, [expect(broken, "45m", 1), expect(firing("ExportsFailing", "ticket"), "45m", 1)])


def test_clients_that_leave_are_not_lost_invocations(tmp_path: Path) -> None:
    gone = {
        f'{LOST}{{lumigate_worker_outcome="{outcome}"}}': "0+100x60"
        for outcome in ("canceled", "responseStreamDisconnected")
    }
    page, ticket = firing("InvocationsLost", "page"), firing("InvocationsLost", "ticket")
    play(tmp_path, gone, [expect(page, "50m", 0), expect(ticket, "50m", 0)])
    (tmp_path / "died").mkdir()
    died = {f'{LOST}{{lumigate_worker_outcome="exceededMemory"}}': "0+100x60"}
    play(tmp_path / "died", {**gone, **died}, [expect(page, "50m", 1)])


def test_a_series_that_a_shard_lays_down_at_zero_counts_the_same(tmp_path: Path) -> None:
    """Failed imports are counted by either: the shard's series begin at zero, an isolate's with its first."""
    name = "lumigate_worker_import_failures_total"
    series = {
        f'{name}{{lumigate_module="a",service_instance_id="shard-0"}}': "_x5 0 2 2x20",
        f'{name}{{lumigate_module="a",service_instance_id="isolate"}}': "_x6 3 3x20",
    }
    counted = 'sum_over_time(sum(slo:event_bad:increase{event="imports"})[1h:1m])'
    play(tmp_path, series, [expect(counted, "20m", 5), expect(firing("ImportsFail", "ticket"), "20m", 1)])


def test_a_shard_of_old_counts_that_is_scraped_again_within_the_hour_is_no_news(tmp_path: Path) -> None:
    name = 'lumigate_worker_import_failures_total{lumigate_module="a"}'
    never = f"max_over_time(({firing('ImportsFail', 'ticket')})[3h:1m])"
    play(tmp_path, {name: "40x20 stale _x40 40x60"}, [expect(never, "2h", 0)])


def test_a_backend_with_native_deltas_notices_the_same(tmp_path: Path) -> None:
    """Samples are what happened since the one before; an isolate's first counts like any other."""
    series = {f'{LOST}{{lumigate_worker_outcome="exceededCpu"}}': "_x10 " + " ".join(["2"] * 30)}
    page = firing("InvocationsLost", "page")
    expectations = [expect(page, "9m", 0), expect(page, "25m", 1)]
    play(tmp_path, series, expectations, temporality="delta")


def test_one_deployment_of_several_is_told_by_its_matchers(tmp_path: Path) -> None:
    bad = f'{FETCHES}{{lumigate_key_set_result="timeout",job="staging"}}'
    page = firing("KeySetUnavailable", "page")
    (tmp_path / "other").mkdir()
    play(tmp_path / "other", {bad: "0+5x60"}, [expect(page, "30m", 0)], matchers={"job": "production"})
    play(tmp_path, {bad: "0+5x60"}, [expect(page, "30m", 1)], matchers={"job": "staging"})


def test_the_texts_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(rule_file([service_group(settings(), policy())]))
    alerts = {alert.alert: alert for alert in service_group(settings(), policy()).alerts}
    exports, unpriced = alerts["LumigateExportsFailing"], alerts["LumigateModelsUnpriced"]
    expected: tuple[tuple[Alert, dict[str, str], str], ...] = (
        (exports, {"destination": "a", "signal": "logs"}, "a has taken no logs for 30 minutes."),
        (unpriced, {}, "59 model calls in 6 hours have no price."),
    )
    test = {
        "interval": "1m",
        "input_series": [
            {
                "series": 'lumigate_telemetry_export_requests_total{destination="a",signal="logs",result="timeout"}',
                "values": "0+1x90",
            },
            {"series": 'lumigate_llm_unpriced_total{gen_ai_request_model="m"}', "values": "0+1x90"},
        ],
        "alert_rule_test": [
            {
                "alertname": alert.alert,
                "eval_time": "1h",
                "exp_alerts": [
                    {
                        "exp_labels": {
                            "severity": "ticket",
                            "service": "lumigate",
                            "event": "exports" if labels else "unpriced",
                            **labels,
                        },
                        "exp_annotations": {**alert.annotations, "summary": summary},
                    }
                ],
            }
            for alert, labels, summary in expected
        ],
    }
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    run(promtool(), "test", "rules", tmp_path / "test.yaml")
