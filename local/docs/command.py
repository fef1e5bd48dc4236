"""`lumigate docs`: build and check the documents that are generated, and try the packages that one of them is about."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from local.toolchain import ROOT, ToolchainMissing
from local.wheels import PipFailed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Three commands."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    commands.add_parser("build", help="write the generated documents")
    commands.add_parser("check", help="fail if the committed documents are not what the sources generate")
    again = commands.add_parser(
        "try", help="install and run packages for the Worker's platform, for compatibility.md"
    )
    again.add_argument("packages", nargs="*", metavar="PACKAGE", help="only these (default: all)")


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 something has drifted, 2 a package could not be tried."""
    if arguments.action == "try":
        return _try(arguments.packages)
    drifted = [path for path, make in _documents().items() if _held(path) != make()]
    if arguments.action == "build":
        for path in drifted:
            path.write_text(_documents()[path](), encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
        return 0
    for path in drifted:
        name = path.relative_to(ROOT)
        print(f"{name}: not what the sources generate; run `uv run lumigate docs build`", file=sys.stderr)
    return 1 if drifted else 0


def _try(names: list[str]) -> int:
    from local.compat.packages import groups, results, write_results
    from local.compat.trial import attempt

    packages = {package.name: package for group in groups() for package in group.packages}
    unknown = [name for name in names if name not in packages]
    if unknown:
        print(f"lumigate docs: packages.toml has no {', '.join(unknown)}", file=sys.stderr)
        return 2
    found = dict(results())
    for name in names or packages:
        with TemporaryDirectory(prefix="lumigate-try-") as folder:
            try:
                found[name] = attempt(packages[name], Path(folder))
            except (PipFailed, ToolchainMissing) as error:
                print(f"lumigate docs: {name}: {error}", file=sys.stderr)
                return 2
        print(
            f"{name:<20} {found[name].version:<12} {found[name].outcome.value:<14} {found[name].detail}",
            flush=True,
        )
        write_results(found)
    return run(argparse.Namespace(action="build"))


def _documents() -> Mapping[Path, Callable[[], str]]:
    from local.docs.compatibility_page import compatibility_page
    from local.docs.telemetry_page import telemetry_page

    return {
        ROOT / "docs" / "telemetry.md": telemetry_page,
        ROOT / "docs" / "compatibility.md": compatibility_page,
    }


def _held(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
