"""What may import what: the tree is the diagram, and this holds it to that."""

import ast
from pathlib import Path

import pytest

from local.bundle.imports import Import, imports_of, imports_of_file, module_name
from local.pins import Pins
from local.toolchain import ROOT
from local.wheels import LOCK_NAME, locked_versions

SRC = ROOT / "src"
RUNTIME = {"js", "pyodide", "pyodide_js", "workers", "_pyodide_entrypoint_helper"}
MAY_TOUCH_THE_RUNTIME = ("entry", "tail", "lumigate.platform.workers")
# Distribution names of the lock file whose import names differ; None is bundled but not for us to import.
IMPORT_NAMES: dict[str, str | None] = {"opentelemetry-api": "opentelemetry", "workers-runtime-sdk": "workers"}


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def may_touch_the_runtime(module: str) -> bool:
    return any(is_in(module, package) for package in MAY_TOUCH_THE_RUNTIME)


def breaches(module: str, asked: Import, *, carried: frozenset[str]) -> list[str]:
    """Name the rules that `module` of src/ breaks by asking for this."""
    found = []
    if (asked.package in RUNTIME or asked.package.startswith("_cloudflare")) and not may_touch_the_runtime(
        module
    ):
        found.append("only the Workers adapters and the entry modules touch the runtime")
    if asked.package == "local":
        found.append("production does not import local")
    targets = [asked.module] if asked.name is None else [asked.module, f"{asked.module}.{asked.name}"]
    if (
        is_in(module, "lumigate.telemetry")
        and asked.package == "lumigate"
        and not any(is_in(target, "lumigate.telemetry") for target in targets)
    ):
        found.append("lumigate.telemetry imports nothing else of lumigate")
    if not asked.for_types_only and asked.package not in carried:
        found.append("the bundle does not carry it")
    return found


@pytest.fixture(scope="module")
def carried() -> frozenset[str]:
    """Top-level names that src/ may import: itself, the standard library, the runtime, the locked packages."""
    import sys

    ours = {module_name(path, root=SRC).split(".")[0] for path in SRC.rglob("*.py")}
    locked = locked_versions(ROOT / LOCK_NAME)
    vendored = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in locked}
    runtime = RUNTIME | {"_cloudflare", "_cloudflare_compat_flags"}
    return frozenset(ours | set(sys.stdlib_module_names) | runtime | {name for name in vendored if name})


def sources(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts]


@pytest.mark.parametrize("path", sources(SRC), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_source_file_keeps_to_its_side(path: Path, carried: frozenset[str]) -> None:
    """No file under src/ imports what its place forbids."""
    module = module_name(path, root=SRC)
    found = [
        f"{path.relative_to(ROOT)}:{asked.line} imports {asked.module}: {breach}"
        for asked in imports_of_file(path, root=SRC)
        for breach in breaches(module, asked, carried=carried)
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["local", "dashboards", "slo", "bench"])
def test_tools_on_cpython_do_not_ask_for_the_runtime(folder: str) -> None:
    """Nothing that runs on CPython imports a module that only the Workers runtime has."""
    standins = ROOT / "local" / "bundle" / "standins"  # these run inside Pyodide
    found = [
        f"{path.relative_to(ROOT)}:{asked.line} imports {asked.module}"
        for path in sources(ROOT / folder)
        if not path.is_relative_to(standins)
        for asked in imports_of_file(path, root=ROOT)
        if asked.package in RUNTIME or asked.package.startswith("_cloudflare")
    ]
    assert found == []


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("lumigate.gateway", "import js", "touch the runtime"),
        ("lumigate.gateway", "from pyodide.ffi import to_js", "touch the runtime"),
        ("lumigate.gateway", "def f():\n    if x:\n        import workers", "touch the runtime"),
        ("lumigate.gateway", "import importlib\nimportlib.import_module('js')", "touch the runtime"),
        ("lumigate.gateway", "from importlib import import_module\nimport_module('_cloudflare.x')", "touch"),
        ("lumigate.gateway", "__import__('workers')", "touch the runtime"),
        ("lumigate.platform.workersnot", "import js", "touch the runtime"),
        ("lumigate.gateway", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import js", "touch"),
        ("entry", "import local.cli", "does not import local"),
        ("entry", "from local import cli", "does not import local"),
        ("lumigate.telemetry.flush", "from lumigate.catalog import x", "nothing else of lumigate"),
        ("lumigate.telemetry.flush", "from lumigate import errors", "nothing else of lumigate"),
        ("lumigate.telemetry.flush", "from ..errors import x", "nothing else of lumigate"),
        ("lumigate.gateway", "import httpx", "does not carry"),
        (
            "lumigate.gateway",
            "try:\n    import orjson\nexcept ImportError:\n    orjson = None",
            "does not carry",
        ),
    ],
)
def test_a_breach_is_seen(module: str, source: str, rule: str, carried: frozenset[str]) -> None:
    """Each rule catches what it is there for, wherever the import stands."""
    found = [
        breach
        for asked in imports_of(source, package=module.rpartition(".")[0])
        for breach in breaches(module, asked, carried=carried | {"lumigate"})
    ]
    assert any(rule in breach for breach in found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("entry", "import js\nfrom workers import WorkerEntrypoint"),
        ("lumigate.platform.workers.kv", "from pyodide.ffi import to_js"),
        ("lumigate.telemetry.flush", "from lumigate.telemetry import buffer\nfrom . import buffer"),
        ("lumigate.telemetry.flush", "from lumigate import telemetry\nfrom .. import telemetry"),
        (
            "lumigate.gateway",
            "import json, zlib\nfrom pydantic import BaseModel\nfrom opentelemetry import trace",
        ),
        ("lumigate.gateway", "import importlib\nimportlib.import_module(name)"),
    ],
)
def test_what_the_rules_allow_passes(module: str, source: str, carried: frozenset[str]) -> None:
    """The rules do not cry wolf."""
    for asked in imports_of(source, package=module.rpartition(".")[0]):
        assert breaches(module, asked, carried=carried | {"lumigate"}) == []


def test_the_bundle_and_this_environment_have_the_same_versions() -> None:
    """A package in both runtimes is locked to one version, so that the suites test the same code."""
    import importlib.metadata

    here = {
        it.metadata["Name"].lower().replace("_", "-"): it.version for it in importlib.metadata.distributions()
    }
    locked = locked_versions(ROOT / LOCK_NAME)
    assert {name: here[name] for name in locked if name in here} == {
        name: version for name, version in locked.items() if name in here
    }


def test_the_bundle_declares_what_is_locked() -> None:
    """Each package that pyproject.toml names is in the lock file."""
    locked = locked_versions(ROOT / LOCK_NAME)
    for requirement in Pins.read(ROOT).packages:
        assert requirement.split(">")[0].split("=")[0] in locked


TIMERS_THAT_STAY = {"timeout", "timeout_at", "wait_for"}


def test_no_timer_of_the_event_loop_is_left_behind() -> None:
    """On Workers such a timer, once cancelled, is only forgotten: `Ports.timeout` has one that is cleared."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(SRC)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            (node.func.attr in TIMERS_THAT_STAY and ast.unparse(node.func.value) == "asyncio")
            or (ast.unparse(node.func) == "asyncio.wait" and any(k.arg == "timeout" for k in node.keywords))
            or node.func.attr in ("call_later", "call_at")
        )
    ]
    assert found == []
