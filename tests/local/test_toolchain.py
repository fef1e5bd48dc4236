import json
import multiprocessing
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import toolchain, wheels
from local.exclusive import exclusive
from local.pins import Pins, SettingsMalformed
from local.toolchain import ToolchainMissing

CACHED: tuple[Callable[[], object], ...] = (
    toolchain.node,
    toolchain.npm,
    toolchain.pyodide,
    toolchain.python_modules,
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty checkout with the real pins, for which nothing has been made yet."""
    for name in ("pyproject.toml", "package.json", "package-lock.json", wheels.LOCK_NAME):
        shutil.copy(toolchain.ROOT / name, tmp_path / name)
    monkeypatch.setattr(toolchain, "ROOT", tmp_path)
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    for function in CACHED:
        function.cache_clear()  # type: ignore[attr-defined]


def test_node_runs_and_is_recent_enough() -> None:
    """Whatever node() returns can be started and is version 20 or newer."""
    output = subprocess.run(
        [toolchain.node(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert int(output.removeprefix("v").split(".")[0]) >= toolchain.MINIMUM_NODE


def test_package_json_asks_for_the_node_that_the_locked_wrangler_runs_on() -> None:
    """Whoever installs all of it, to deploy, is told; tests and the bundle check do with `MINIMUM_NODE`."""
    asked = json.loads((toolchain.ROOT / "package.json").read_text())["engines"]["node"]
    lock = json.loads((toolchain.ROOT / "package-lock.json").read_text())["packages"]
    assert asked == lock[""]["engines"]["node"] == lock["node_modules/wrangler"]["engines"]["node"]


def test_pyodide_is_the_locked_version() -> None:
    """The folder holds the version that package.json pins exactly."""
    pinned = json.loads((toolchain.ROOT / "package.json").read_text())["dependencies"]["pyodide"]
    assert json.loads((toolchain.pyodide() / "package.json").read_text())["version"] == pinned


def test_python_modules_hold_what_is_locked_and_nothing_else() -> None:
    """Each locked package is there once, in the locked version."""
    names = {path.name.removesuffix(".dist-info") for path in toolchain.python_modules().glob("*.dist-info")}
    locked = wheels.locked_versions(toolchain.ROOT / wheels.LOCK_NAME)
    assert names == {f"{name.replace('-', '_')}-{version}" for name, version in locked.items()}


def test_python_modules_are_remade_when_the_lock_changes(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is made once for a lock file, and again from nothing for another."""
    made: list[Path] = []

    def install(lock: Path, target: Path, *, platform: wheels.Platform) -> None:
        assert lock == checkout / wheels.LOCK_NAME
        assert platform.tag.startswith("pyemscripten_")
        target.mkdir()
        (target / f"made{len(made)}").touch()
        made.append(target)

    monkeypatch.setattr(wheels, "install", install)
    for _ in range(2):
        _forget()
        assert [path.name for path in toolchain.python_modules().iterdir()] == ["made0"]
    with (checkout / wheels.LOCK_NAME).open("a") as lock:
        lock.write("another==1 --hash=sha256:00\n")
    _forget()
    assert [path.name for path in toolchain.python_modules().iterdir()] == ["made1"]


def test_a_machine_without_node_gets_the_pinned_wheel(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no Node on the path, or an old one, Node and npm come from the wheel inside the checkout."""
    asked: list[tuple[str, ...]] = []

    def pip(*arguments: str) -> None:
        asked.append(arguments)
        (checkout / ".cache" / "node").mkdir()

    monkeypatch.setattr(wheels, "pip", pip)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert toolchain.node().is_relative_to(checkout / ".cache" / "node")
    assert toolchain.npm()[0] == str(toolchain.node())
    assert toolchain.npm()[1].endswith("npm-cli.js")
    assert [arguments[-1] for arguments in asked] == [Pins.read(checkout).node]


@pytest.mark.parametrize("tool", [toolchain.node, toolchain.python_modules], ids=["node", "python_modules"])
def test_what_cannot_be_had_says_what_to_do(
    tool: Callable[[], Path], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed installation is one exception with the tool, the reason and the remedy."""

    def refuse(*_: str) -> None:
        raise wheels.PipFailed("no network here")

    monkeypatch.setattr(wheels, "pip", refuse)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ToolchainMissing, match=r"is missing: no network here\. Run again with .* in reach"):
        tool()
    assert not (checkout / "python_modules").exists()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("packages", "a list of strings"),
        ("platform", "a string"),
        ("limits.raw_bytes", "a positive integer"),
        ("limits.import_ratio", "a positive number"),
        ("node", "a string"),
    ],
)
def test_a_setting_that_is_absent_is_named(setting: str, expected: str, checkout: Path) -> None:
    """Pins are read whole: an absent one stops with a line that names it."""
    path = checkout / "pyproject.toml"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(row for row in rows if not row.startswith(f"{setting.rpartition('.')[2]} =")))
    with pytest.raises(SettingsMalformed, match=rf"\[tool\.lumigate\.bundle\] {setting} must be {expected}"):
        Pins.read(checkout)


def _append_slowly(folder: Path, name: str) -> None:
    with exclusive(folder / "lock"):
        for _ in range(3):
            with (folder / "log").open("a") as log:
                log.write(name)
            time.sleep(0.02)


def test_two_processes_take_turns(tmp_path: Path) -> None:
    """The lock lets one process at a time in."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append_slowly, args=(tmp_path, name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=30)
    assert (tmp_path / "log").read_text() in {"aaabbb", "bbbaaa"}
