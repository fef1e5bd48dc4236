"""The engine stands alone: what importing it loads, what its Workers adapter may ask for, and its public face."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lumigate.telemetry
from local.bundle.imports import imports_of_file
from local.toolchain import ROOT

SRC = ROOT / "src"
ADAPTER = (
    "abort",
    "clock",
    "environ",
    "hang_up",
    "headers",
    "post",
    "secrets_store",
    "telemetry",
    "timeout",
)
"""The modules of `lumigate.platform.workers` that docs/adopting.md tells to copy."""


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after the statement, and had not before."""
    look = "import json, sys; before = set(sys.modules)"
    tell = "print(json.dumps([*(sys.modules.keys() - before)]))"
    code = f"{look}; sys.path.insert(0, {str(SRC)!r}); {statement}; {tell}"
    command = [sys.executable, "-P", "-c", code]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_importing_the_engine_loads_nothing_else_of_the_project_and_of_packages_only_the_api() -> None:
    loaded = loaded_by(
        "import lumigate.telemetry, lumigate.telemetry.otlp.json, lumigate.telemetry.otlp.protobuf"
    )
    of_ours = {name for name in loaded if name.split(".")[0] == "lumigate"}
    assert {name for name in of_ours if not name.startswith("lumigate.telemetry")} == {"lumigate"}
    packages = {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"lumigate"}
    assert {name for name in packages if not name.startswith("_")} <= {"opentelemetry", "typing_extensions"}


@pytest.mark.parametrize("module", ADAPTER)
def test_its_workers_adapter_asks_for_the_engine_and_the_runtime_only(module: str) -> None:
    path = SRC / "lumigate" / "platform" / "workers" / f"{module}.py"
    allowed = {f"lumigate.platform.workers.{name}" for name in ADAPTER}
    foreign = [
        asked.module
        for asked in imports_of_file(path, root=SRC)
        if asked.package == "lumigate"
        and asked.module not in allowed
        and not f"{asked.module}.".startswith("lumigate.telemetry.")
    ]
    assert foreign == []
    packages = {asked.package for asked in imports_of_file(path, root=SRC)} - set(sys.stdlib_module_names)
    assert packages <= {"lumigate", "opentelemetry", "js", "pyodide", "workers"}


def test_its_public_names_are_those_that_the_page_tells_of_and_each_says_what_it_is() -> None:
    page = (ROOT / "docs" / "adopting.md").read_text(encoding="utf-8")
    table = page.partition("## The engine's public names")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told == set(lumigate.telemetry.__all__)
    silent = [
        name
        for name in lumigate.telemetry.__all__
        if isinstance(thing := getattr(lumigate.telemetry, name), type) and not (thing.__doc__ or "").strip()
    ]
    assert silent == []


def test_the_example_asks_for_public_names_only() -> None:
    public = {
        ("lumigate.platform.workers.telemetry", "WorkerTelemetry"),
        *(("lumigate.telemetry", name) for name in lumigate.telemetry.__all__),
    }
    folder = ROOT / "examples" / "telemetry-worker" / "src"
    asked = {
        (it.module, it.name)
        for path in Path(folder).rglob("*.py")
        for it in imports_of_file(path, root=folder)
        if it.package == "lumigate"
    }
    assert asked <= public
