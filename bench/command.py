"""`lumigate bench telemetry`: run the measurements in one runtime, print them, and say whether the bars hold."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import wheels
from local.toolchain import ROOT, ToolchainMissing, node, pyodide, python_modules
from local.wheels import PipFailed

_RUNNER = Path(__file__).with_name("pyodide_runner.mjs")
_TIMEOUT_SECONDS = 900


class BenchFailed(Exception):
    """The measurements could not be made; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument(
        "what",
        choices=[
            "telemetry",
            "shard",
            "privacy",
            "llm",
            "auth",
            "bundle",
            "ledger",
            "sessions",
            "gateway",
            "cache",
            "first-request",
        ],
        help="what to measure",
    )
    parser.add_argument(
        "--runtime",
        choices=["pyodide", "native"],
        default="pyodide",
        help="Pyodide under Node, as on Workers (the default), or this CPython",
    )
    parser.add_argument(
        "--rounds", type=int, help="rounds of each comparison (default: 21; for the gateways 3)"
    )
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="how long a gateway is asked at a time (default: 4)"
    )
    parser.add_argument("--save", action="store_true", help="store what the gateways did in bench/results/")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument(
        "--record", action="store_true", help="bundle only: append the figures to bench/bundle_history.jsonl"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and report. 0: every bar holds; 1: one is missed; 2: nothing could be measured."""
    try:
        if args.what == "bundle":
            from bench.bundle import report_figures

            return report_figures(args.rounds or 21, as_json=args.json, record=args.record)
        if args.what == "first-request":
            return _first_request(as_json=args.json)
        if args.what == "gateway":
            from bench import gateway

            return gateway.run(args.rounds or 3, args.seconds, as_json=args.json, save=args.save)
        measure = _in_pyodide if args.runtime == "pyodide" else _here
        rows = measure(args.what, args.rounds or 21)
        if args.what == "cache":
            from bench import cache_day

            rows += cache_day.rows(cache_day.days())
    except (BenchFailed, PipFailed, ToolchainMissing) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(rows, args.runtime)
    return 0 if all(row["holds"] for row in rows) else 1


def _here(what: str, rounds: int) -> list[dict[str, Any]]:
    folder = str(wheels.rivals("native"))
    if folder not in sys.path:
        sys.path.append(folder)
    rows: list[dict[str, Any]] = import_module(f"bench.{what}").measure(rounds)
    return rows


def _prepared(what: str) -> dict[str, Any]:
    """What the measurement needs that can only be made here: tokens, because Pyodide has nothing that signs."""
    return {"signed": import_module("bench.auth").material()} if what == "auth" else {}


def _first_request(*, as_json: bool) -> int:
    from bench.first_request import NoFirstRequest, measure

    try:
        rows = measure()
    except NoFirstRequest as error:
        raise BenchFailed(str(error)) from None
    told = [f"{row['name']:<48}{row['seconds']:>8.2f} s" for row in rows]
    print(json.dumps(rows, indent=2) if as_json else "\n".join(told))
    return 0


def _in_pyodide(what: str, rounds: int) -> list[dict[str, Any]]:
    request = {
        "module": f"bench.{what}",
        "mounts": {
            "/lumigate/src": str(ROOT / "src"),
            "/lumigate/root": str(ROOT),
            "/lumigate/rivals": str(wheels.rivals("pyodide")),
            "/lumigate/vendored": str(python_modules()),
        },
        "arguments": {"rounds": rounds, **_prepared(what)},
    }
    process = subprocess.run(
        [str(node()), str(_RUNNER), str(pyodide()), json.dumps(request)],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )
    if process.returncode != 0:
        raise BenchFailed(f"Pyodide ended with code {process.returncode}; its words are above")
    rows: list[dict[str, Any]] = json.loads(process.stdout.splitlines()[-1])
    return rows


def _print_table(rows: list[dict[str, Any]], runtime: str) -> None:
    green, red, plain = ("\x1b[32m", "\x1b[31m", "\x1b[0m") if sys.stdout.isatty() else ("", "", "")
    width = max(len(row["what"]) for row in rows)
    print(f"{runtime:<{width}}  {'ours':>10}  {'rival':>10}  {'ratio':>9}  {'bar':>11}")
    for row in rows:
        bar = f"{'<=' if row['at_most'] else '>='} {row['bar']:g} {row['unit']}"
        verdict = f"{green}holds{plain}" if row["holds"] else f"{red}missed{plain}"
        times = "  ".join(
            f"{'' if row[key] is None else format(row[key], '.2f') + ' us':>10}"
            for key in ("ours_us", "rival_us")
        )
        print(f"{row['what']:<{width}}  {times}  {row['ratio']:>6.2f} {row['unit']:<2}  {bar:>11}  {verdict}")
