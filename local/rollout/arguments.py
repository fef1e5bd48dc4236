"""The arguments of `lumigate rollout`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from local import argument_types
from local.rollout.split import parse_steps
from local.toolchain import ROOT

EXIT_CODES: Final = (
    "exit codes: 0 done · 1 rolled back · 2 refused, nothing changed · 3 stuck: a person is needed"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Four actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    start = actions.add_parser(
        "start", help="upload the bundle as a version, and give it traffic step by step"
    )
    start.add_argument("--tag", default="", help="of the version, such as the commit")
    start.add_argument("--message", default="", help="of the version: what changed")
    start.add_argument(
        "--migrate",
        action="store_true",
        help="if the bundle brings a Durable Object migration, deploy it to all traffic at once: "
        "such a version cannot have a share, and there is no way back from it",
    )
    resume = actions.add_parser("resume", help="take up the rollout that is under way")
    abort = actions.add_parser(
        "abort", help="call it off: all traffic to the version before; nothing if there is none"
    )
    status = actions.add_parser("status", help="which versions are in force")
    for action in (start, resume):
        action.epilog = EXIT_CODES
        _add_pace(action)
        _add_gates(action)
    for action in (start, resume, abort):
        action.add_argument(
            "--annotate",
            type=argument_types.url,
            default=os.environ.get("GRAFANA_URL") or None,
            metavar="URL",
            help="mark it in this Grafana (default: GRAFANA_URL, else none); needs GRAFANA_TOKEN",
        )
        action.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    for action in (start, resume, abort, status):
        action.add_argument("--env", default="production", help="of wrangler.toml (default: %(default)s)")
        add_bundle(action)


def add_bundle(action: argparse.ArgumentParser) -> None:
    """What is deployed."""
    action.add_argument(
        "--bundle",
        type=Path,
        default=ROOT / ".cache" / "bundle",
        metavar="DIR",
        help="what `lumigate bundle` made (default: .cache/bundle)",
    )


def _add_pace(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--steps",
        type=_steps,
        default=(10.0, 50.0, 100.0),
        metavar="PERCENT,…",
        help="shares of the traffic (default: 10,50,100)",
    )
    action.add_argument(
        "--soak",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="how long each share is watched (default: 600)",
    )
    action.add_argument(
        "--wait",
        type=_seconds,
        default=900.0,
        metavar="SECONDS",
        help="how much longer where there was too little traffic to judge (default: 900)",
    )
    action.add_argument(
        "--allow-unobserved",
        action="store_true",
        help="go on where there still is too little; without it, that is a rollback",
    )
    action.add_argument(
        "--check",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="between two readings of the gate (default: 30)",
    )


def _add_gates(action: argparse.ArgumentParser) -> None:
    source = action.add_mutually_exclusive_group()
    source.add_argument(
        "--prometheus",
        type=argument_types.url,
        metavar="URL",
        default=os.environ.get("PROMETHEUS_URL") or "http://127.0.0.1:9090",
        help="which the gates read (default: PROMETHEUS_URL, else http://127.0.0.1:9090)",
    )
    source.add_argument(
        "--analytics-engine",
        type=argument_types.url,
        nargs="?",
        const="https://api.cloudflare.com",
        metavar="URL",
        help="ask Analytics Engine instead; needs CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN",
    )
    action.add_argument(
        "--slo",
        action="append",
        default=[],
        metavar="NAME",
        help="only these promises shut the gates; may be given again (default: all)",
    )
    action.add_argument(
        "--min-requests",
        type=_count,
        default=100,
        metavar="N",
        help="that the new version must have served at a share to be judged (default: 100)",
    )
    action.add_argument(
        "--warm-up",
        type=_seconds,
        default=120.0,
        metavar="SECONDS",
        help="of each share, in which latencies are not judged: new isolates begin cold (default: 120)",
    )
    action.add_argument(
        "--service-only",
        action="store_true",
        help="judge the service as a whole, not the new version: for a Worker without version metadata",
    )


def _steps(text: str) -> tuple[float, ...]:
    try:
        return parse_steps(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 to 86400")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of requests, from 1")
    return int(text)
