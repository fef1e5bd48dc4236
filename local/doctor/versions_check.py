"""Checks the tools against what the checkout pins: Python, uv, Node, Pyodide, the vendored wheels, wrangler."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.doctor.finding import Finding, Part
from local.pins import Pins, SettingsMalformed
from local.wheels import LOCK_NAME
from local.wrangler import node_for_wrangler, version_of


def check_versions(root: Path) -> Iterator[Finding]:
    """Each tool by itself."""
    yield _python(root)
    yield _uv()
    try:
        pins = Pins.read(root)
        lock = json.loads((root / "package-lock.json").read_text(encoding="utf-8"))["packages"]
        wanted = json.loads((root / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, SettingsMalformed) as error:
        part = Part(check="versions", where="pins")
        yield part.error(f"the pins cannot be read: {error}", "Run it at the top of a whole checkout.")
        return
    yield from _pins_agree(wanted, lock)
    yield _node(root, lock)
    yield _package(root, "pyodide", lock, "Run `uv run lumigate bundle`, which installs it.")
    yield from _interpreter(root, pins)
    yield _wheels(root)
    yield _package(
        root, "wrangler", lock, "Run `npm ci`; it is wanted for deploying and for `--runtime workerd`."
    )


def _python(root: Path) -> Finding:
    part = Part(check="versions", where="python")
    here = platform.python_version()
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        least = str(project["requires-python"]).removeprefix(">=")
    except (OSError, ValueError, KeyError):
        return part.error("pyproject.toml cannot be read", "Run it at the top of a whole checkout.")
    if _parts(here) < _parts(least):
        return part.error(f"{here} is here; {least} is needed", f"uv python install {least}")
    return part.ok(here)


def _uv() -> Finding:
    part = Part(check="versions", where="uv")
    found = version_of("uv", "--version")
    if found is None:
        return part.warning("uv is not on the path", "Install it: https://docs.astral.sh/uv/")
    return part.ok(found)


def _pins_agree(wanted: Mapping[str, Any], lock: Mapping[str, Any]) -> Iterator[Finding]:
    """package.json and package-lock.json, which `npm ci` refuses to install when they differ."""
    asked = {**wanted.get("dependencies", {}), **wanted.get("devDependencies", {})}
    for name, version in asked.items():
        locked = lock.get(f"node_modules/{name}", {}).get("version")
        if not re.fullmatch(r"\d+\.\d+\.\d+", str(version)):
            part = Part(check="versions", where=name)
            yield part.error(f"package.json asks for {version!r}, which is not one version", "Pin it: 1.2.3.")
        elif locked != version:
            part = Part(check="versions", where=name)
            yield part.error(
                f"package.json pins {version}, package-lock.json {locked}", "npm install --package-lock-only"
            )


def _node(root: Path, lock: Mapping[str, Any]) -> Finding:
    part = Part(check="versions", where="node")
    least = node_for_wrangler(lock)
    found = version_of("node", "--version")
    if found is None:
        return part.ok("not on the path; the pinned wheel is used, which brings its own")
    if _parts(found) < least:
        want = ".".join(map(str, least))
        return part.warning(
            f"{found} is here; wrangler needs {want}",
            "Nothing to do for the tests and `lumigate dev`, which bring their own; for npx, install a newer Node.",
        )
    return part.ok(found)


def _package(root: Path, name: str, lock: Mapping[str, Any], step: str) -> Finding:
    part = Part(check="versions", where=name)
    locked = lock.get(f"node_modules/{name}", {}).get("version")
    manifest = root / "node_modules" / name / "package.json"
    if not manifest.is_file():
        return part.skipped(f"{locked} is pinned, and not installed", step)
    here = json.loads(manifest.read_text(encoding="utf-8")).get("version")
    if here != locked:
        return part.error(f"{here} is installed, {locked} is pinned", "npm ci")
    return part.ok(str(here))


def _interpreter(root: Path, pins: Pins) -> Iterator[Finding]:
    """Pyodide's own lock file says which Python and which ABI it is; the wheels must be made for them."""
    path = root / "node_modules" / "pyodide" / "pyodide-lock.json"
    if not path.is_file():
        return
    part = Part(check="versions", where="pyodide")
    info = json.loads(path.read_text(encoding="utf-8"))["info"]
    if not str(info["python"]).startswith(f"{pins.wheels.python_version}."):
        yield part.error(
            f"it is Python {info['python']}, and the wheels are for {pins.wheels.python_version}",
            "Set python_version in [tool.lumigate.bundle] of pyproject.toml, then `uv run lumigate bundle --relock`.",
        )
    if str(info["abi_version"]) not in pins.wheels.tag:
        yield part.error(
            f"its ABI is {info['abi_version']}, and the wheels are for {pins.wheels.tag}",
            "Set platform in [tool.lumigate.bundle] of pyproject.toml, then `uv run lumigate bundle --relock`.",
        )


def _wheels(root: Path) -> Finding:
    part = Part(check="versions", where="python_modules")
    lock, stamp = root / LOCK_NAME, root / ".cache" / "python_modules.stamp"
    if not lock.is_file():
        return part.error(f"there is no {LOCK_NAME}", "uv run lumigate bundle --relock")
    if not (root / "python_modules").is_dir() or not stamp.is_file():
        return part.skipped("not vendored yet", "Run `uv run lumigate bundle`.")
    if stamp.read_text(encoding="utf-8") != hashlib.sha256(lock.read_bytes()).hexdigest():
        return part.warning(f"vendored from another {LOCK_NAME}", "uv run lumigate bundle")
    return part.ok(f"as {LOCK_NAME} has them")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
