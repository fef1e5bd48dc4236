"""One start of a bundle under Pyodide, with the rules of the Workers runtime on during import."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import toolchain

_SCRIPT = Path(__file__).with_name("import_check.mjs")
_TIMEOUT_S = 120


class StartUpBroken(Exception):
    """Pyodide itself did not run; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An entry module that did not import."""

    entry: str
    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """Why an import came to nothing; `absent` is the module that was not found, if that was it."""

    reason: str
    absent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """What came of it.

    Times, the interpreter's memory after the import, the modules loaded, the failure if any, and imports that resolve
    to nothing. Keys of `unresolved` are `module` or `module:name`.
    """

    start_seconds: float
    import_seconds: float
    memory_bytes: int
    loaded: tuple[str, ...]
    failure: Failure | None
    unresolved: Mapping[str, Unresolved]


def start_up(bundle: Path, *, entries: Sequence[str], probes: Sequence[tuple[str, str | None]]) -> StartUp:
    """Import `entries` under the rules, then look up `probes`, (module, name) pairs, with the rules lifted.

    Raises `ToolchainMissing`, `StartUpBroken`.
    """
    question = {
        "pyodide": str(toolchain.pyodide()),
        "src": str(bundle / "src"),
        "pythonModules": str(bundle / "python_modules"),
        "entries": list(entries),
        "probes": [list(probe) for probe in probes],
    }
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
        raise StartUpBroken(f"the import did not end within {_TIMEOUT_S} s") from error
    try:
        answer = json.loads(process.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise StartUpBroken(process.stderr.strip() or f"node ended with code {process.returncode}") from error
    failure = answer["failure"]
    return StartUp(
        start_seconds=answer["start_seconds"],
        import_seconds=answer["import_seconds"],
        memory_bytes=answer["memory_bytes"],
        loaded=tuple(answer["loaded"]),
        failure=None if failure is None else Failure(**failure),
        unresolved={key: Unresolved(**value) for key, value in answer["unresolved"].items()},
    )
