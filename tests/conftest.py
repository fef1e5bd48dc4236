"""Hooks for the whole suite.

A test that needs Node, Pyodide or the vendored wheels asks `local.toolchain` for them. Where they cannot be had
it is skipped, so that the suite runs offline; with LUMIGATE_REQUIRE_PYODIDE=1 (as in CI) it fails, and so does any
other test of the Pyodide suite that skips itself.
"""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from local.toolchain import ToolchainMissing

# A machine that is busy for a moment must not fail a property; the rest of the profile in force stays as it is.
settings.register_profile(
    "unhurried",
    settings.default,
    deadline=None,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.too_slow],
)
settings.load_profile("unhurried")

_PYODIDE_SUITE = Path(__file__).parent / "pyodide"


def _required() -> bool:
    return os.environ.get("LUMIGATE_REQUIRE_PYODIDE", "") not in ("", "0")


@pytest.fixture(autouse=True)
def no_background_is_left() -> Iterator[None]:
    """Work that a test handed to a fake background and never ran is closed, not left to the collector of garbage."""
    yield
    fakes = sys.modules.get("tests.fakes")
    if fakes is not None:
        fakes.FakeBackground.close_all()
        fakes.MemoryDatabase.close_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a missing toolchain into a skip, or, where it is required, a skip into a failure."""
    report = yield
    missing = call.excinfo is not None and call.excinfo.errisinstance(ToolchainMissing)
    if missing and not _required():
        assert call.excinfo is not None
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: {call.excinfo.value}")
    elif (
        report.skipped
        and _required()
        and not hasattr(report, "wasxfail")
        and _is_about_pyodide(item, str(report.longrepr))
    ):
        report.outcome = "failed"
        report.longrepr = f"LUMIGATE_REQUIRE_PYODIDE is set, but this was skipped: {report.longrepr}"
    return report


def _was_skipped(report: pytest.TestReport) -> bool:
    return report.skipped and not hasattr(report, "wasxfail")


def _is_about_pyodide(item: pytest.Item, reason: str) -> bool:
    in_suite = item.path.is_relative_to(_PYODIDE_SUITE) or "pyodide" in item.nodeid.lower()
    return in_suite or " is missing: " in reason  # the words of ToolchainMissing
