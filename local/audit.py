"""`lumigate audit`: hold everything that is locked against the known vulnerabilities.

Three lists: what the project locks (`uv.lock`), what is vendored into the Worker (`python_modules.lock`), and the tools
of `package-lock.json`. Advisories come from PyPI and from npm's registry. One that cannot be reached is said, and fails
nothing unless `--require` is given; a vulnerability always fails.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from local import toolchain

ROOT = Path(__file__).resolve().parents[1]
PIP_AUDIT = "pip-audit@2.10.1"
SECONDS = 300
_UNREACHABLE = re.compile(
    r"connect|resolv|name or service|timed? ?out|unreachable|getaddrinfo|ENOTFOUND|ECONN|EAI_AGAIN|ETIMEDOUT"
    r"|audit endpoint returned an error|offline|service error|error sending request|40[357] |50[234] ",
    re.IGNORECASE,
)

type Result = Literal["clean", "vulnerable", "unreachable", "broken"]
type Run = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one list. `details` are vulnerabilities, or what went wrong."""

    name: str
    result: Result
    details: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `lumigate audit`."""
    parser.add_argument(
        "--require", action="store_true", help="fail as well where the advisories cannot be reached"
    )


def run(arguments: argparse.Namespace) -> int:
    """0 where nothing is known against anything, or where nobody could be asked; 1 otherwise."""
    fatal = {"vulnerable", "broken"} | ({"unreachable"} if arguments.require else set())
    failed = False
    for verdict in verdicts(_run):
        print(f"{verdict.name:20} {verdict.result}", flush=True)
        for line in verdict.details:
            print(f"  {line}", flush=True)
        failed = failed or verdict.result in fatal
    if failed:
        print("lumigate audit: see above; update what is named, and lock again", file=sys.stderr)
    return int(failed)


def verdicts(run_command: Run) -> Iterator[Verdict]:
    """One a list."""
    with tempfile.TemporaryDirectory(prefix="lumigate-audit-") as folder:
        exported = Path(folder) / "requirements.txt"
        export = ("uv", "export", "--locked", "--all-groups", "--no-emit-project", "--quiet")
        made = run_command((*export, "--format", "requirements.txt", "--output-file", str(exported)))
        if made.returncode:
            yield _failure("uv.lock", made.stderr)
        else:
            yield _python("uv.lock", exported, run_command)
    yield _python("python_modules.lock", ROOT / "python_modules.lock", run_command)
    yield _npm(run_command)


def _python(name: str, requirements: Path, run_command: Run) -> Verdict:
    options = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    done = run_command(("uvx", PIP_AUDIT, *options, "--requirement", str(requirements)))
    document = _document(done.stdout)
    dependencies = document.get("dependencies")
    if not isinstance(dependencies, list):
        return _failure(name, done.stderr)
    found = tuple(
        f"{each['name']} {each.get('version', '')}: {vulnerability['id']}"
        f" (fixed in {', '.join(vulnerability.get('fix_versions') or ['none yet'])})"
        for each in dependencies
        for vulnerability in each.get("vulns", ())
    )
    return Verdict(name=name, result="vulnerable" if found else "clean", details=found)


def _npm(run_command: Run) -> Verdict:
    name = "package-lock.json"
    done = run_command((*toolchain.npm(), "audit", "--json"))
    document = _document(done.stdout)
    vulnerabilities = document.get("vulnerabilities")
    if not isinstance(vulnerabilities, dict):
        return _failure(name, f"{document.get('message', '')}\n{done.stderr}")
    found = tuple(
        f"{package}: {each.get('severity', 'unknown')}" for package, each in sorted(vulnerabilities.items())
    )
    return Verdict(name=name, result="vulnerable" if found else "clean", details=found)


def _failure(name: str, said: str) -> Verdict:
    """Nobody could be asked, or the tool itself did not work: the latter must not look like the former."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    result: Result = "unreachable" if _UNREACHABLE.search(said) else "broken"
    return Verdict(name=name, result=result, details=tuple(lines[-3:]))


def _document(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"{command[0]} timed out after {SECONDS} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", f"{command[0]} does not start: {error}")
