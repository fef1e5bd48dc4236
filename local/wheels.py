"""The wheels that the Worker vendors: locked by hash, installed for Pyodide's platform.

`python_modules.lock` at the top of the checkout lists exactly the files that production carries, one wheel a
package. It is written by `uv run lumigate bundle --relock` and read by pip: uv resolves no wheels tagged
`pyemscripten_*`, hence pip, which the dev group pins. A package that this environment has as well is locked
to the version it has here, so that both runtimes run the same code.
"""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LOCK_NAME = "python_modules.lock"
_HEADER = """\
# The wheels vendored into the Worker. Made by `uv run lumigate bundle --relock`; do not edit.
"""


class PipFailed(Exception):
    """pip ended with an error: the message is its last word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Which wheels Pyodide can load."""

    python_version: str
    tag: str

    def arguments(self) -> list[str]:
        """Return pip's arguments that select them."""
        return [
            "--python-version",
            self.python_version,
            "--implementation",
            "cp",
            "--platform",
            self.tag,
            "--only-binary=:all:",
        ]


def relock(root: Path, *, packages: tuple[str, ...], platform: Platform) -> Path:
    """Resolve `packages` afresh and write the lock file. Raises `PipFailed`."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        report = Path(folder) / "report.json"
        constraints.write_text("".join(f"{line}\n" for line in _versions_here(packages)), encoding="utf-8")
        pip(
            "install",
            "--dry-run",
            "--ignore-installed",
            *("--target", str(Path(folder) / "target")),
            *("--constraint", str(constraints)),
            *("--report", str(report)),
            *platform.arguments(),
            *packages,
        )
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    lines = sorted(
        f"{item['metadata']['name'].lower().replace('_', '-')}=={item['metadata']['version']}"
        f" --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}"
        for item in installed
    )
    lock = root / LOCK_NAME
    lock.write_text(_HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return lock


def install(lock: Path, target: Path, *, platform: Platform) -> None:
    """Install what the lock file lists, and only that, into the new folder `target`. Raises `PipFailed`."""
    pip(
        "install",
        "--no-deps",
        "--no-compile",
        "--require-hashes",
        *("--target", str(target)),
        *platform.arguments(),
        *("--requirement", str(lock)),
    )


def locked_versions(lock: Path) -> dict[str, str]:
    """Return the version of each package in the lock file."""
    rows = (line.split(" ", 1)[0] for line in lock.read_text(encoding="utf-8").splitlines())
    return dict(row.split("==", 1) for row in rows if "==" in row)


def pip(command: str, *arguments: str) -> None:
    """Run pip of this environment. Raises `PipFailed` with the last line it wrote."""
    process = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if process.returncode != 0:
        lines = (process.stderr or process.stdout).strip().splitlines()
        raise PipFailed(lines[-1] if lines else f"pip {command} ended with code {process.returncode}")


def _versions_here(packages: tuple[str, ...]) -> list[str]:
    names = (requirement.split("[")[0].split(">")[0].split("=")[0].split("<")[0] for requirement in packages)
    rows = []
    for name in names:
        try:
            rows.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # the Workers SDK exists for Pyodide only
    return rows
