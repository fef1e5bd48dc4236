"""`lumigate rollout` whole: a stand-in for wrangler in another process, a stand-in for Prometheus over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from local.cli import main
from local.toolchain import ROOT
from local.wrangler import COMMAND
from tests.commands import plain_environ
from tests.local.rollout.conftest import OLD, Cloudflare, under_way
from tests.local.rollout.fake_wrangler import NEW
from tests.local.rollout.observability import Observability, serving


@pytest.fixture
def around() -> Iterator[Observability]:
    with serving() as one:
        yield one


def rollout(cloudflare: Cloudflare, around: Observability, action: str, *more: str) -> int:
    arguments = ["rollout", action, "--bundle", str(cloudflare.bundle)]
    if action in ("start", "resume"):
        arguments += ["--slo", "availability", "--soak", "0", "--wait", "0"]
        arguments += [] if "--analytics-engine" in more else ["--prometheus", around.url]
    return main([*arguments, *more])


def test_a_good_version_reaches_everyone_in_steps(cloudflare: Cloudflare, around: Observability) -> None:
    assert rollout(cloudflare, around, "start", "--tag", "abc123", "--message", "a change") == 0
    assert cloudflare.splits() == [
        [f"{NEW}@10%", f"{OLD}@90%"],
        [f"{NEW}@50%", f"{OLD}@50%"],
        [f"{NEW}@100%"],
    ]
    assert [" ".join(call[:2]) for call in cloudflare.calls] == [
        "deployments status",
        "versions upload",
        *(["versions deploy"] * 3),
        "triggers deploy",
    ]
    place = ["--cwd", str(cloudflare.bundle), "--env", "production"]
    assert all(call[-4:] == place for call in cloudflare.calls)
    assert cloudflare.calls[1][:-4] == [
        "versions",
        "upload",
        "--strict",
        "--tag",
        "abc123",
        "--message",
        "a change",
    ]


def test_a_version_that_burns_the_budget_is_taken_back(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollout(cloudflare, around, "start", "--steps", "100") == 0
    each = (
        around.queries - 1
    ) // 2  # the service is read before the first share, and at it; versions at it only
    cloudflare.has({OLD: 100.0})
    around.queries, around.spoil_after_queries = 0, each
    capsys.readouterr()
    assert rollout(cloudflare, around, "start") == 1
    assert cloudflare.shares == {OLD: 100.0}
    assert cloudflare.splits()[-2:] == [[f"{NEW}@10%", f"{OLD}@90%"], [f"{OLD}@100%"]]
    said = capsys.readouterr().err
    assert "availability" in said
    assert "rolled back" in said


def test_a_fault_of_the_new_version_alone_is_not_lost_in_the_service(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    around.bad_of_new = 0.05
    assert rollout(cloudflare, around, "start") == 1
    assert cloudflare.shares == {OLD: 100.0}
    assert (
        "availability 5.00% bad of 10,000, 0.00% in the old one, 50.0 times the budget"
        in capsys.readouterr().err
    )
    assert rollout(cloudflare, around, "start", "--service-only") == 0


def test_analytics_engine_is_asked_by_version_too(
    cloudflare: Cloudflare,
    around: Observability,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "account")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "hidden")
    assert rollout(cloudflare, around, "start", "--analytics-engine", around.url) == 0
    cloudflare.has({OLD: 100.0})
    around.bad_of_new = 0.05
    assert rollout(cloudflare, around, "start", "--analytics-engine", around.url) == 1
    said = capsys.readouterr().err
    assert "availability 5.00% bad of 10,000" in said
    assert "hidden" not in said


def test_too_little_traffic_is_said_waited_for_and_then_decided_by_the_setting(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    around.requests = {OLD: 27, NEW: 3}
    assert rollout(cloudflare, around, "start", "--wait", "0.2", "--check", "0.1") == 1
    said = capsys.readouterr().err
    assert "3 requests, 100 are needed" in said
    assert said.count("waiting for traffic") == 2
    assert cloudflare.shares == {OLD: 100.0}
    assert rollout(cloudflare, around, "start", "--allow-unobserved") == 0
    cloudflare.has({OLD: 100.0})
    assert rollout(cloudflare, around, "start", "--min-requests", "3") == 0


def test_the_first_deployment_is_made_at_once(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudflare.has({})
    for action in ("status", "abort"):
        assert rollout(cloudflare, around, action) == 0
        assert "nothing is deployed in production yet" in capsys.readouterr().out
    assert rollout(cloudflare, around, "resume") == 2
    assert "rollout start" in capsys.readouterr().err
    assert rollout(cloudflare, around, "start", "--tag", "abc123") == 0
    assert "no version to go back to" in capsys.readouterr().err
    assert cloudflare.calls[-1][:4] == ["deploy", "--strict", "--tag", "abc123"]
    assert cloudflare.shares == {NEW: 100.0}
    assert around.queries == 0


def test_a_migration_is_refused_with_the_command_for_it(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudflare.has({OLD: 100.0}, migration=True)
    assert rollout(cloudflare, around, "start") == 2
    said = capsys.readouterr().err
    assert "Durable Object migration" in said
    assert "lumigate rollout start --migrate --env production" in said
    assert cloudflare.shares == {OLD: 100.0}
    assert [call[:2] for call in cloudflare.calls] == [["deployments", "status"], ["versions", "upload"]]


def test_a_migration_that_is_asked_for_is_made_at_once_and_watched(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudflare.has({OLD: 100.0}, migration=True)
    around.bad_share = 0.9
    assert rollout(cloudflare, around, "start", "--migrate") == 2
    assert cloudflare.shares == {OLD: 100.0}
    around.bad_share = 0.0
    assert rollout(cloudflare, around, "start", "--migrate") == 0
    assert cloudflare.shares == {NEW: 100.0}
    assert cloudflare.splits() == []
    cloudflare.has({OLD: 100.0}, migration=True)
    around.bad_of_new = 0.05
    capsys.readouterr()
    assert rollout(cloudflare, around, "start", "--migrate") == 3
    assert "fix forward" in capsys.readouterr().err
    assert cloudflare.splits() == [], "there is no way back"


def test_asking_for_a_migration_where_there_is_none_is_an_ordinary_rollout(
    cloudflare: Cloudflare, around: Observability
) -> None:
    assert rollout(cloudflare, around, "start", "--migrate") == 0
    assert len(cloudflare.splits()) == 3


def test_a_gate_that_is_shut_before_stops_it_at_once(cloudflare: Cloudflare, around: Observability) -> None:
    around.bad_share = 0.9
    assert rollout(cloudflare, around, "start") == 2
    assert cloudflare.shares == {OLD: 100.0}
    assert cloudflare.splits() == []


def test_a_prometheus_that_is_down_stops_it_at_once(cloudflare: Cloudflare, around: Observability) -> None:
    around.down = True
    assert rollout(cloudflare, around, "start") == 2
    assert cloudflare.splits() == []


def test_a_deployment_that_fails_half_way_is_taken_back(
    cloudflare: Cloudflare, around: Observability
) -> None:
    cloudflare.fails("versions deploy", 2, 2)
    assert rollout(cloudflare, around, "start") == 1
    assert cloudflare.shares == {OLD: 100.0}


def test_an_upload_that_fails_changes_nothing(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudflare.fails("versions upload")
    assert rollout(cloudflare, around, "start") == 2
    assert "the API is not well" in capsys.readouterr().err
    assert cloudflare.splits() == []


def test_a_rollout_under_way_is_not_started_over(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudflare.has(*under_way(10))
    assert rollout(cloudflare, around, "start") == 2
    assert "resume" in capsys.readouterr().err
    assert cloudflare.splits() == []


def test_a_rollout_under_way_is_taken_up_from_another_machine(
    cloudflare: Cloudflare, around: Observability
) -> None:
    cloudflare.has(*under_way(50))
    assert rollout(cloudflare, around, "resume") == 0
    assert cloudflare.splits() == [[f"{NEW}@100%"]]


def test_a_rollout_under_way_is_called_off(cloudflare: Cloudflare, around: Observability) -> None:
    cloudflare.has(*under_way(50))
    assert rollout(cloudflare, around, "abort") == 0
    assert cloudflare.shares == {OLD: 100.0}


@pytest.mark.parametrize("percent", [0.0, 100.0])
def test_nothing_is_called_off_where_nothing_is_under_way(
    cloudflare: Cloudflare, around: Observability, percent: float
) -> None:
    shares, message = under_way(percent)
    cloudflare.has({name: share for name, share in shares.items() if share}, message)
    assert rollout(cloudflare, around, "abort") == 0
    assert cloudflare.splits() == []
    assert rollout(cloudflare, around, "resume") == 2


def test_two_versions_of_another_origin_are_left_alone(cloudflare: Cloudflare, around: Observability) -> None:
    cloudflare.has({NEW: 50.0, OLD: 50.0}, "by hand")
    assert rollout(cloudflare, around, "abort") == 0
    assert rollout(cloudflare, around, "resume") == 2
    assert cloudflare.splits() == []


def test_a_rollback_that_fails_is_told_by_the_exit_code(
    cloudflare: Cloudflare,
    around: Observability,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("local.rollout.conduct.ROLLBACK_WAIT_SECONDS", 0.0)
    cloudflare.has(*under_way(50))
    cloudflare.fails("versions deploy")
    assert rollout(cloudflare, around, "abort") == 3
    assert f"versions deploy {OLD}@100%" in capsys.readouterr().err


def test_the_versions_in_force_are_shown(
    cloudflare: Cloudflare, around: Observability, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudflare.has(*under_way(10))
    assert rollout(cloudflare, around, "status") == 0
    assert capsys.readouterr().out == f"{NEW} at 10%, {OLD} at 90%\n"


def test_the_rollout_is_marked_in_grafana(
    cloudflare: Cloudflare,
    around: Observability,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rollout(cloudflare, around, "start", "--annotate", around.url) == 0
    assert "GRAFANA_TOKEN is not set" in capsys.readouterr().err
    monkeypatch.setenv("GRAFANA_TOKEN", "hidden")
    cloudflare.has(*under_way(50))
    assert rollout(cloudflare, around, "abort", "--annotate", around.url) == 0
    (mark,) = around.annotations
    assert mark["tags"] == ["deploy", "lumigate", NEW, "rolled_back"]
    assert mark["timeEnd"] >= mark["time"]
    assert "hidden" not in capsys.readouterr().err


@pytest.mark.parametrize("action", ["start", "resume", "abort"])
def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    cloudflare: Cloudflare, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollout", action, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "wrangler versions deploy" in said
    assert "--env production" in said
    assert cloudflare.calls == []


def test_what_is_missing_is_said(
    cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollout", "start", "--bundle", str(cloudflare.folder / "nowhere")]) == 2
    assert "lumigate bundle" in capsys.readouterr().err
    cloudflare.fails("deployments status")
    assert main(["rollout", "start", "--bundle", str(cloudflare.bundle)]) == 2
    assert main(["rollout", "start", "--steps", "50"]) == 2
    assert main(["rollout", "start", "--soak", "-1"]) == 2


def test_nobody_listening_any_more_leaves_no_half_rollout(
    cloudflare: Cloudflare, around: Observability
) -> None:
    """`lumigate rollout start 2>&1 | head -1`: it goes on as it would have, back included."""
    around.bad_of_new = 0.05
    arguments = ["rollout", "start", "--bundle", str(cloudflare.bundle), "--prometheus", around.url]
    with subprocess.Popen(
        [sys.executable, "-m", "local.cli", *arguments, "--slo", "availability", "--soak", "0"],
        cwd=ROOT,
        env=plain_environ(
            PYTHONPATH=os.pathsep.join(sys.path),
            FAKE_WRANGLER=str(cloudflare.folder),
            **{COMMAND: os.environ[COMMAND]},
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
        assert process.wait(timeout=60) == 1
    assert cloudflare.splits() == [[f"{NEW}@10%", f"{OLD}@90%"], [f"{OLD}@100%"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_takes_the_version_back(
    cloudflare: Cloudflare, around: Observability, number: signal.Signals
) -> None:
    """As GitHub cancels a job: the process is signalled, and has some seconds to end."""
    arguments = ["rollout", "start", "--bundle", str(cloudflare.bundle), "--prometheus", around.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "local.cli", *arguments, "--slo", "availability", "--soak", "600"],
        cwd=ROOT,
        env=plain_environ(
            PYTHONPATH=os.pathsep.join(sys.path),
            FAKE_WRANGLER=str(cloudflare.folder),
            **{COMMAND: os.environ[COMMAND]},
        ),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "10%: the gate is open" in line:
                break
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 1
    assert number.name in said
    assert cloudflare.shares == {OLD: 100.0}
