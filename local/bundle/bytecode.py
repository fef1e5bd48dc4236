"""Compiles what would be uploaded, so that a Worker's start spends its time on running and not on compiling.

Compiling is two fifths of the import. Workers use what is made here: wrangler uploads every file under
`python_modules` and what `rules` name under `src` (both settings stand in wrangler.toml, since `.pyc` files are left
out by default), workerd shows each uploaded file to Python under its name, and Python's own import looks into
`__pycache__` first. workerd gives files the time of the start, so the files are of the kind that is not checked
against a source's time (PEP 552): here both come from one build. An interpreter of another version looks for other
names and compiles the sources, which are uploaded too, as tracebacks quote them.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local import toolchain

_SCRIPT = Path(__file__).with_name("bytecode.mjs")
_TIMEOUT_S = 120


class CompilerBroken(Exception):
    """Pyodide itself did not run; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """How many files were compiled, to how many bytes; `failed` has one line for each that is not Python."""

    files: int
    bytes: int
    failed: tuple[str, ...]


def compile_sources(folder: Path) -> Compiled:
    """Compile each `*.py` under `folder` into `__pycache__` beside it.

    Raises `ToolchainMissing`, `CompilerBroken`.
    """
    question = {"pyodide": str(toolchain.pyodide()), "folder": str(folder)}
    try:
        process = subprocess.run(
            [toolchain.node(), _SCRIPT],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise CompilerBroken(f"compiling did not end within {_TIMEOUT_S} s") from error
    try:
        answer = json.loads(process.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise CompilerBroken(
            process.stderr.strip() or f"node ended with code {process.returncode}"
        ) from error
    return Compiled(files=answer["files"], bytes=answer["bytes"], failed=tuple(answer["failed"]))
