"""`lumigate doctor` from the outside: what it prints, and its exit codes."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from local.cli import main
from local.doctor.finding import Level, Part
from local.doctor.report import as_json, as_text
from local.wrangler import COMMAND
from tests.local.doctor.checkout import staging
from tests.local.doctor.conftest import Neighbour


@pytest.fixture
def wrangler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable in wrangler's place: has OPENAI_API_KEY for staging, and a login for nothing else."""
    path = tmp_path / "wrangler"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "if sys.argv[-1] == 'staging':\n"
        '    print(\'[{"name": "OPENAI_API_KEY", "type": "secret_text"}]\')\n'
        "else:\n    sys.exit('X [ERROR] You are not authenticated.')\n",
        "utf-8",
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(COMMAND, str(path))
    return path


def test_a_clone_as_it_is_has_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--offline"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("nothing is wrong, ")
    assert "\x1b" not in said


def test_strict_makes_warnings_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--offline", "--strict"]) == 1
    assert "placeholder" in capsys.readouterr().out


def test_a_mistake_is_told_with_its_environment_and_the_next_step(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    staging(root, 'OTEL_SERVICE_NAMES = "x"')
    assert main(["doctor", "--offline", "--root", str(root)]) == 1
    lines = capsys.readouterr().out.splitlines()
    (at,) = [number for number, line in enumerate(lines) if "OTEL_SERVICE_NAMES" in line]
    assert lines[at].split()[:3] == ["error", "settings", "staging"]
    assert lines[at + 1].strip() == "→ Did you mean OTEL_SERVICE_NAME?"
    assert lines[-1].startswith("1 error, ")


def test_machines_get_json_with_the_same_findings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    staging(root, 'GEO_POLICY = "x"')
    assert main(["doctor", "--offline", "--root", str(root), "--json", "--env", "staging"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["healthy"] is False
    (error,) = [each for each in content["findings"] if each["level"] == "error"]
    assert (error["check"], error["where"]) == ("settings", "staging")
    assert error["next"]
    assert content["counts"]["error"] == 1
    assert {each["where"] for each in content["findings"] if each["check"] == "bindings"} == {"staging"}


def test_all_is_asked_of_those_around_it(
    root: Path, neighbour: Neighbour, wrangler: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    staging(root, f'OTEL_EXPORTER_OTLP_ENDPOINT = "{neighbour.url}"', f'JWKS_URL = "{neighbour.url}/keys"')
    assert main(["doctor", "--root", str(root), "--env", "staging", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    levels = {(each["check"], each["level"]) for each in content["findings"]}
    assert ("secrets", "ok") in levels
    assert ("otlp", "ok") in levels
    assert ("keys", "error") in levels  # the neighbour has none
    assert {path for _, path, _, _ in neighbour.seen} == {"/keys", "/v1/traces", "/v1/metrics", "/v1/logs"}


def test_headers_from_the_environment_are_sent_and_not_shown(
    root: Path,
    neighbour: Neighbour,
    wrangler: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hidden")
    staging(root, f'OTEL_EXPORTER_OTLP_ENDPOINT = "{neighbour.url}"')
    main(["doctor", "--root", str(root), "--env", "staging"])
    assert {headers["authorization"] for _, _, headers, _ in neighbour.seen} == {"hidden"}
    captured = capsys.readouterr()
    assert "hidden" not in captured.out + captured.err


def test_a_login_that_is_missing_is_said_and_is_no_error(
    root: Path, wrangler: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--root", str(root), "--env", "production"]) == 0
    assert "You are not authenticated." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--env", "prod"], "there is no environment 'prod'"),
        (["--root", "/nowhere"], "wrangler.toml cannot be read"),
    ],
)
def test_what_cannot_be_examined_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_file_that_is_not_toml_is_said_with_the_line(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "wrangler.toml").write_text("name = \n", "utf-8")
    assert main(["doctor", "--root", str(root)]) == 2
    assert "line 1" in capsys.readouterr().err


def test_colours_are_for_terminals_and_columns_are_aligned() -> None:
    part, other = Part(check="a", where="somewhere"), Part(check="longer", where="b")
    found = [
        part.ok("x"),
        other.error("y", "do it"),
        other.warning("z", "do that"),
        part.skipped("w", "later"),
    ]
    plain = as_text(found, coloured=False)
    assert "\x1b" not in plain
    columns = {line.index(what) for line, what in zip(plain.splitlines()[::2], "x", strict=False)}
    columns |= {
        line.rindex(each.what)
        for line in plain.splitlines()
        for each in found
        if line.endswith(f"  {each.what}")
    }
    assert len(columns) == 1
    assert "\x1b[31merror" in as_text(found, coloured=True)
    assert plain.endswith("1 error, 1 warning, 1 not looked at")
    assert json.loads(as_json([]))["healthy"] is True
    assert {each.level for each in found} == set(Level)
