"""Finds and runs wrangler: the version that package-lock.json pins, on a Node that is new enough for it.

The checkout's own `node_modules` are used where `npm ci` has filled them; the Node of the pinned wheel, where the
machine's is too old or absent. What is run never asks a question and never sends usage statistics.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local import toolchain

TIMEOUT_SECONDS: Final = 300
_VERSION_SECONDS: Final = 20
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
COMMAND: Final = "LUMIGATE_WRANGLER"
"""The setting that names another executable in wrangler's place: one installed globally, or a test's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrangler:
    """How wrangler is called here, and from where."""

    command: tuple[str, ...]
    root: Path

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        quiet = {
            "WRANGLER_SEND_METRICS": "false",
            "NO_COLOR": "1",
            "CI": "true",
            "WRANGLER_HIDE_BANNER": "true",
        }
        return {**os.environ, **quiet, **(more or {})}

    def ask(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        """Run it to its end: exit code, output, errors."""
        return self.run(arguments, {})

    def run(self, arguments: Sequence[str], more: Mapping[str, str]) -> tuple[int, str, str]:
        """The same, with more in its environment. A command that hangs counts as failed."""
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                cwd=self.root,
                env=self.environment(more),
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=TIMEOUT_SECONDS,
                start_new_session=True,  # Ctrl-C is for whoever called: half a deployment helps nobody
            )
        except subprocess.TimeoutExpired:
            return 124, "", f"wrangler did not end within {TIMEOUT_SECONDS} s"
        except OSError as error:
            return 127, "", f"{self.command[0]} cannot be run: {error.strerror or error}"
        return done.returncode, done.stdout, done.stderr


def plain(text: str) -> str:
    """Without the colours that wrangler writes even where it is told not to."""
    return _COLOUR.sub("", text)


def last_words(text: str) -> str:
    """The line of what wrangler said that says why it failed."""
    lines = [line.strip(" ✘▲") for line in plain(text).splitlines()]
    marked = [line.partition("[ERROR]")[2].strip() for line in lines if "[ERROR]" in line]
    said = [line for line in lines if line and not line.startswith(("⛅", "─", "🪵"))]
    return ((marked or said or ["wrangler failed without a word"])[0])[:300]


def find_wrangler(root: Path) -> Wrangler | None:
    """What is here, without installing anything; None where wrangler or a Node for it is missing."""
    if named := os.environ.get(COMMAND):
        return Wrangler(command=(named,), root=root)
    script, node = _script(root), find_node(root)
    if not script.is_file() or node is None:
        return None
    return Wrangler(command=(str(node), str(script)), root=root)


def why_no_wrangler(root: Path) -> tuple[str, str]:
    """Why `find_wrangler` found none, and what to do about it."""
    if not _script(root).is_file():
        return "wrangler is not installed", "run `npm ci`"
    least, here = node_for_wrangler(_locked(root)), version_of("node", "--version")
    return (
        f"wrangler needs Node {'.'.join(map(str, least))}, {f'{here} is here' if here else 'and none is here'}",
        "install a newer Node",
    )


def find_node(root: Path, *, install: bool = False) -> Path | None:
    """A Node that the locked wrangler runs on: the machine's, else the pinned wheel's, which `install` fetches.

    Raises `ToolchainMissing` where it was to be fetched and could not be.
    """
    least = node_for_wrangler(_locked(root))
    here, version = shutil.which("node"), version_of("node", "--version")
    if here is not None and version is not None and tuple(map(int, version.split("."))) >= least:
        return Path(here)
    return toolchain.node_wheel(install=install)


def _script(root: Path) -> Path:
    return root / "node_modules" / "wrangler" / "bin" / "wrangler.js"


def _locked(root: Path) -> Mapping[str, Any]:
    """The packages of package-lock.json; none where there is no such file."""
    try:
        packages: Mapping[str, Any] = json.loads((root / "package-lock.json").read_text("utf-8"))["packages"]
    except (OSError, ValueError, KeyError):
        return {}
    return packages


def node_for_wrangler(lock: Mapping[str, Any]) -> tuple[int, ...]:
    """The least version of Node that the locked wrangler runs on."""
    engines = lock.get("node_modules/wrangler", {}).get("engines", {})
    found = re.search(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", str(engines.get("node", ">=20")))
    assert found is not None, "a range without a number"
    return tuple(int(part or 0) for part in found.groups())


def version_of(tool: str, *arguments: str) -> str | None:
    """What the tool says its version is; None where it is not here or does not run."""
    found = shutil.which(tool)
    if found is None:
        return None
    try:
        done = subprocess.run(
            [found, *arguments], capture_output=True, text=True, check=True, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout)
    return version.group() if version else None
