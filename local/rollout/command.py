"""`lumigate rollout`: bring the bundle to production in steps, take up a rollout, or call one off."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from local import argument_types
from local.rollout.annotations import annotate
from local.rollout.conduct import Conductor, Interrupted, Outcome, Pace
from local.rollout.deployments import Deployments, InForce, WranglerFailed
from local.rollout.gate import Reading, slo_gate
from local.rollout.split import Split, parse_steps
from local.toolchain import ROOT
from local.wrangler import find_wrangler

EXIT_CODES = "exit codes: 0 done · 1 rolled back · 2 refused, nothing changed · 3 stuck: the rollback failed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Four actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    start = actions.add_parser(
        "start", help="upload the bundle as a version, and give it traffic step by step"
    )
    start.add_argument("--tag", default="", help="of the version, such as the commit")
    start.add_argument("--message", default="", help="of the version: what changed")
    resume = actions.add_parser("resume", help="take up the rollout that is under way")
    abort = actions.add_parser(
        "abort", help="call it off: all traffic to the version before; nothing if there is none"
    )
    status = actions.add_parser("status", help="which versions are in force")
    for action in (start, resume):
        action.epilog = EXIT_CODES
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
            "--check",
            type=_seconds,
            default=30.0,
            metavar="SECONDS",
            help="between two readings of the gate (default: 30)",
        )
        action.add_argument(
            "--prometheus",
            type=argument_types.url,
            metavar="URL",
            default=os.environ.get("PROMETHEUS_URL") or "http://127.0.0.1:9090",
            help="which the gate reads (default: PROMETHEUS_URL, else http://127.0.0.1:9090)",
        )
        action.add_argument(
            "--slo",
            action="append",
            default=[],
            metavar="NAME",
            help="only these promises shut the gate; may be given again (default: all)",
        )
        action.add_argument(
            "--allow-unobserved", action="store_true", help="go on where there is too little traffic to judge"
        )
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
        action.add_argument(
            "--bundle",
            type=Path,
            default=ROOT / ".cache" / "bundle",
            metavar="DIR",
            help="what `lumigate bundle` made (default: .cache/bundle)",
        )


def run(arguments: argparse.Namespace) -> int:
    """The exit codes are in `start --help`."""
    if getattr(arguments, "dry_run", False):
        return _plan(arguments)
    wrangler = find_wrangler(ROOT)
    if wrangler is None:
        return _refuse("wrangler is not installed; run `npm ci`")
    if not (arguments.bundle / "wrangler.toml").is_file():
        return _refuse(f"there is no bundle in {arguments.bundle}; run `lumigate bundle`")
    deployments = Deployments(wrangler=wrangler, folder=arguments.bundle, environment=arguments.env, say=_say)
    try:
        in_force = deployments.in_force()
        if arguments.action == "status":
            print(in_force)
            return Outcome.DONE
        with _signals() as settle:
            return _act(arguments, deployments, in_force, settle)
    except WranglerFailed as error:
        return _refuse(str(error))
    except Interrupted:
        return _refuse("interrupted before anything was changed")


def _act(arguments: argparse.Namespace, deployments: Deployments, in_force: InForce, settle: _Settle) -> int:
    under_way = in_force.rollout if in_force.alone is None else None
    begun_s = time.time()
    if arguments.action == "abort":
        if under_way is None:
            print(f"no rollout is under way: {in_force}")
            return Outcome.DONE
        version = under_way.candidate
        conductor = Conductor(deployer=deployments, gate=_no_gate, sleep=time.sleep, say=_say, settle=settle)
        outcome = conductor.roll_back(version, under_way.stable)
        outcome = Outcome.DONE if outcome is Outcome.ROLLED_BACK else outcome
        return _end(arguments, outcome, version, begun_s, word="rolled_back")
    gate = slo_gate(arguments.prometheus, arguments.slo)
    conductor = Conductor(deployer=deployments, gate=gate, sleep=time.sleep, say=_say, settle=settle)
    pace = Pace(
        steps=arguments.steps,
        soak_seconds=arguments.soak,
        check_seconds=max(arguments.check, 0.1),
        allow_unobserved=arguments.allow_unobserved,
    )
    if arguments.action == "resume":
        if under_way is None:
            return _refuse(f"no rollout of ours is under way: {in_force}")
        version, stable, reached = (
            under_way.candidate,
            under_way.stable,
            in_force.shares.get(under_way.candidate, 0),
        )
        outcome = conductor.roll_out(version, stable, pace, reached=reached)
        return _end(arguments, outcome, version, begun_s)
    if in_force.alone is None:
        return _refuse(f"two versions are in force ({in_force}); `lumigate rollout resume` or `abort` first")
    version = deployments.upload(tag=arguments.tag, message=arguments.message)
    _say(f"uploaded {version}, in force is {in_force.alone}")
    return _end(arguments, conductor.roll_out(version, in_force.alone, pace), version, begun_s)


def _end(
    arguments: argparse.Namespace, outcome: Outcome, version: str, begun_s: float, word: str = ""
) -> int:
    words = {Outcome.DONE: "kept", Outcome.ROLLED_BACK: "rolled_back", Outcome.STUCK: "stuck"}
    if arguments.annotate and outcome in words:
        problem = annotate(
            arguments.annotate,
            begun_s=begun_s,
            ended_s=time.time(),
            version=version,
            outcome=word or words[outcome],
        )
        if problem:
            _say(problem)
    return outcome


def _plan(arguments: argparse.Namespace) -> int:
    """What would be run, with stand-ins for what only Cloudflare knows."""
    old, new = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
    wanted: list[Sequence[str]] = [["deployments", "status", "--json"]]
    if arguments.action == "start":
        wanted.append(["versions", "upload", "--strict"])
    for percent in arguments.steps if arguments.action != "abort" else (0.0,):
        split = Split(candidate=new, stable=old, percent=percent)
        wanted.append(["versions", "deploy", *split.specs, "--message", split.message, "--yes"])
    if arguments.action != "abort":
        wanted.append(["triggers", "deploy"])
    for line in wanted:
        print("wrangler " + " ".join([*line, "--cwd", str(arguments.bundle), "--env", arguments.env]))
        if line[:2] == ["versions", "deploy"] and arguments.action != "abort":
            print(f"  then read the gate every {arguments.check:g} s for {arguments.soak:g} s")
    return Outcome.DONE


class _Settle:
    """The first signal raises `Interrupted`. After it, or once this was called, signals are noted and no more."""

    def __init__(self) -> None:
        self.settled = False

    def __call__(self) -> None:
        self.settled = True

    def receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.settled:
            _say(f"{signal.Signals(number).name}: the rollback goes on")
        else:
            self.settled = True
            raise Interrupted(signal.Signals(number).name)


@contextmanager
def _signals() -> Iterator[_Settle]:
    settle = _Settle()
    before = {number: signal.signal(number, settle.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield settle
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _no_gate() -> Reading:
    raise AssertionError("nothing is read when a rollout is called off")


def _say(line: str) -> None:
    print(f"rollout: {line}", file=sys.stderr, flush=True)


def _refuse(reason: str) -> int:
    print(f"lumigate rollout: {reason}", file=sys.stderr)
    return Outcome.REFUSED


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
