"""A Worker as the page tells to make one, with nothing of the gateway; and a collector for what it tells."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import toolchain
from tests.collector import Collector, running_collector
from tests.pyodide.runner import PyodideHost

ROOT = toolchain.ROOT
PAGE = (ROOT / "docs" / "adopting.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first code block of the page in a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Worker's src/ with what the page's own commands copy, and nothing else."""
    folder = tmp_path_factory.mktemp("yours")
    commands = block("sh").replace("YOURS", str(folder))
    subprocess.run(["bash", "-euc", commands], cwd=ROOT, check=True)  # noqa: S607 - the page's commands
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
    return folder / "src"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vendored packages without pydantic: the engine is said to need `opentelemetry-api` only."""
    folder = tmp_path_factory.mktemp("vendored")
    kept = re.compile(r"opentelemetry|typing_extensions|_?workers")
    for path in toolchain.python_modules().iterdir():
        if not kept.match(path.name):
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copyfile(path, folder / path.name)
    return folder


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


def worker(source: str, copied: Path, modules: Path, into: Path, **variables: str) -> PyodideHost:
    """A host, not yet started, for an entry module over the copied files."""
    src = into / "src"
    shutil.copytree(copied, src)
    (src / "entry.py").write_text(source, encoding="utf-8")
    return PyodideHost(
        node=toolchain.node(),
        pyodide=toolchain.pyodide(),
        modules=modules,
        src=src,
        vars={"OTEL_SERVICE_NAME": "greeter", "OTEL_BSP_SCHEDULE_DELAY": "20"} | variables,
    )
