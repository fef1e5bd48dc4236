"""The packages to try, and what came of it: `packages.toml` is written by hand, `results.json` by trying."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

_HERE = Path(__file__).resolve().parent
RESULTS = _HERE / "results.json"


class Outcome(StrEnum):
    """How far a package came."""

    WORKS = "works"
    IMPORTS = "imports"
    USE_FAILS = "use fails"
    IMPORT_FAILS = "import fails"
    NO_WHEEL = "no wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One to try: the module to import, and statements that must not raise (empty: the import says all).

    `version` is tried instead of the newest, where that one asks for something that was never published.
    """

    name: str
    module: str
    use: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Packages for one purpose, and what stands in their place."""

    name: str
    instead: str
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one: the version that was tried ("" where none could be had), the size of it with what it needs."""

    version: str
    outcome: Outcome
    detail: str = ""
    installed_bytes: int = 0


def groups() -> tuple[Group, ...]:
    """All that is to be tried."""
    document = tomllib.loads((_HERE / "packages.toml").read_text(encoding="utf-8"))
    return tuple(
        Group(
            name=group["name"],
            instead=group["instead"],
            packages=tuple(
                Package(
                    name=it["name"],
                    module=it["import"],
                    use=it.get("use", ""),
                    version=it.get("version", ""),
                )
                for it in group["package"]
            ),
        )
        for group in document["group"]
    )


def results() -> Mapping[str, Result]:
    """What was found, by name of the package."""
    if not RESULTS.is_file():
        return {}
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {name: Result(**{**row, "outcome": Outcome(row["outcome"])}) for name, row in found.items()}


def write_results(found: Mapping[str, Result]) -> None:
    """Write them, in the order of the packages."""
    order = [package.name for group in groups() for package in group.packages]
    rows = {name: asdict(found[name]) for name in order if name in found}
    RESULTS.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
