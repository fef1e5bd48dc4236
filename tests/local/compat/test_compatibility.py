"""The table of packages: every row was tried, and a few are tried again here."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import wheels
from local.compat.packages import Outcome, Package, groups, results
from local.compat.trial import attempt

PACKAGES = {package.name: package for group in groups() for package in group.packages}
AGAIN = ("PyJWT", "tenacity", "requests", "orjson")
"""Small, and of every kind: one that works, one whose use fails, one that has no wheel."""


def test_every_package_of_the_table_was_tried_and_no_other_is_in_the_results() -> None:
    assert list(results()) == list(PACKAGES)


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_result_says_no_more_than_was_tried(name: str) -> None:
    found = results()[name]
    assert found.version or found.outcome == Outcome.NO_WHEEL
    assert found.outcome != Outcome.WORKS or PACKAGES[name].use
    assert found.outcome not in {Outcome.USE_FAILS, Outcome.IMPORT_FAILS} or found.detail
    assert "/" not in found.version


@pytest.mark.parametrize("name", AGAIN)
def test_trying_a_package_again_comes_to_the_same(name: str, tmp_path: Path) -> None:
    """Of the version that the table names, so that a new release is no failure of this code."""
    before = results()[name]
    again = attempt(PACKAGES[name], tmp_path, version=before.version)
    assert (again.outcome, again.version) == (before.outcome, before.version)


def test_an_import_that_needs_entropy_is_a_failed_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules of a starting Worker hold in a trial."""

    def pip(*arguments: str) -> None:
        target = Path(arguments[arguments.index("--target") + 1])
        target.mkdir(parents=True)
        (target / "drawing.py").write_text("import uuid\nKEY = uuid.uuid4()\n")

    monkeypatch.setattr(wheels, "pip", pip)
    found = attempt(Package(name="drawing", module="drawing"), tmp_path)
    assert found.outcome == Outcome.IMPORT_FAILS
    assert "Randomness is not allowed" in found.detail


def test_a_package_index_out_of_reach_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(*_: str) -> None:
        raise wheels.PipFailed("ERROR: Could not fetch URL")

    monkeypatch.setattr(wheels, "pip", pip)
    with pytest.raises(wheels.PipFailed):
        attempt(Package(name="any", module="any"), tmp_path)
