"""The fuzz step finds what it is for, names it so that it can be run again, and passes where nothing is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cli import main
from local.fuzz import command
from local.fuzz.mutation import MOST_BYTES, mutate_bytes, mutate_document, mutate_json
from local.fuzz.rig import Rig
from local.fuzz.targets import TARGETS
from lumigate.auth import jws
from lumigate.auth.authenticator import Authenticator
from lumigate.auth.caller import Caller


def test_some_cases_of_every_target_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--cases", "600", "--seed", "ci", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["problems"] == []
    assert set(summary["targets"]) == set(TARGETS)
    assert all(target["cases"] >= 40 for target in summary["targets"].values())


def test_the_cases_go_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """Mutants that are all refused at the door would test the door alone."""
    main(["fuzz", "--cases", "1500", "--json"])
    targets = json.loads(capsys.readouterr().out)["targets"]
    for name in ("requests", "headers", "answers", "streams"):
        assert targets[name]["results"]["200"] >= targets[name]["cases"] / 20
    assert {"400", "404", "405"} <= set(targets["requests"]["results"])
    assert {"bad_content", "2 keys"} <= set(targets["keys"]["results"])


def test_a_defect_is_found_and_named_so_that_it_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def no_check(self: Authenticator, scope: object) -> Caller:
        """Lets everybody in."""
        return Caller(tenant="acme", subject="anybody", scopes=frozenset())

    monkeypatch.setattr(Authenticator, "check", no_check)
    assert main(["fuzz", "--cases", "50", "--only", "tokens"]) == 1
    said = capsys.readouterr().err
    assert "a changed token was let in" in said
    number = said.rpartition("--case ")[2].partition(")")[0]
    assert main(["fuzz", "--only", "tokens", "--case", number]) == 1


def test_a_crash_is_a_problem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    parse, seen = jws.parse, []

    def crash(*args: Any) -> Any:
        """Gives up from the second token on: the first makes the session that others talk to."""
        seen.append(args)
        if len(seen) > 1:
            raise RecursionError("a parser that gives up")
        return parse(*args)

    monkeypatch.setattr(jws, "parse", crash)
    assert main(["fuzz", "--cases", "30", "--only", "tokens"]) == 1
    assert "status 500" in capsys.readouterr().err


def test_a_slow_case_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MOST_SECONDS", 0.0)
    assert main(["fuzz", "--cases", "3", "--only", "keys"]) == 1
    assert "took" in capsys.readouterr().err


async def test_a_case_is_the_same_at_every_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    try:
        await rig.prepare()
        target = TARGETS["requests"][1]
        assert len({await target(rig, Random("1/requests/7")) for _ in range(3)}) == 1
    finally:
        await rig.close()


@given(data=st.binary(max_size=300), seed=st.integers())
def test_mutants_are_bounded_and_repeatable(data: bytes, seed: int) -> None:
    mutant = mutate_bytes(Random(seed), data, [b"other"])
    assert len(mutant) <= MOST_BYTES
    assert mutate_bytes(Random(seed), data, [b"other"]) == mutant


@given(seed=st.integers())
def test_a_document_is_changed_and_the_original_is_not(seed: int) -> None:
    document = {"a": [1, {"b": "c"}], "d": {}}
    before = json.dumps(document)
    mutate_document(Random(seed), document)
    assert mutate_json(Random(seed), document) == mutate_json(Random(seed), document)
    assert json.dumps(document) == before
