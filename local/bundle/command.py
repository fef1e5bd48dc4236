"""`lumigate bundle`: build, list, check.

The exit code is 0 when it may be deployed, 1 when not, 2 when a tool is missing.
"""

import argparse
import json
import sys

from local import wheels
from local.bundle import CompilerBroken, StartUpBroken, bundle
from local.pins import Pins, SettingsMalformed
from local.toolchain import ROOT, ToolchainMissing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `lumigate bundle`."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--relock",
        action="store_true",
        help=f"first resolve the vendored packages afresh into {wheels.LOCK_NAME}",
    )


def run(args: argparse.Namespace) -> int:
    """Run `lumigate bundle` and return its exit code."""
    try:
        if args.relock:
            _progress("resolving the vendored packages")
            pins = Pins.read(ROOT)
            wheels.relock(ROOT, packages=pins.packages, platform=pins.wheels)
        report = bundle(ROOT, progress=_progress)
    except (CompilerBroken, SettingsMalformed, StartUpBroken, ToolchainMissing, wheels.PipFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print(report.as_text())
    return 0 if report.ok else 1


def _progress(step: str) -> None:
    print(f"bundle: {step} …", file=sys.stderr, flush=True)
