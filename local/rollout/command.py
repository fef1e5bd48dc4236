"""`lumigate rollout`: bring the bundle to production in steps, take up a rollout, or call one off."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from local import closed_output
from local.rollout import arguments as _arguments
from local.rollout import at_once
from local.rollout.annotations import annotate
from local.rollout.conduct import Conductor, Interrupted, Outcome, Pace
from local.rollout.deployments import Deployments, InForce, MigrationPending, NeverDeployed, WranglerFailed
from local.rollout.gate import Reading, ReadVersions, slo_gate
from local.rollout.plan import plan
from local.toolchain import ROOT
from local.wrangler import find_wrangler, why_no_wrangler

add_arguments = _arguments.add_arguments

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


def run(arguments: argparse.Namespace) -> int:
    """The exit codes are in `start --help`."""
    if getattr(arguments, "dry_run", False):
        for line in plan(arguments):
            print(line)
        return Outcome.DONE
    wrangler = find_wrangler(ROOT)
    if wrangler is None:
        return _refuse("; ".join(why_no_wrangler(ROOT)))
    if not (arguments.bundle / "wrangler.toml").is_file():
        return _refuse(f"there is no bundle in {arguments.bundle}; run `lumigate bundle`")
    deployments = Deployments(wrangler=wrangler, folder=arguments.bundle, environment=arguments.env, say=_say)
    try:
        return _act(arguments, deployments)
    except WranglerFailed as error:
        return _refuse(str(error))
    except Interrupted:
        return _refuse("interrupted before anything was changed")


def _act(arguments: argparse.Namespace, deployments: Deployments) -> int:
    try:
        in_force = deployments.in_force()
    except NeverDeployed:
        return _where_nothing_is(arguments, deployments)
    if arguments.action == "status":
        print(in_force)
        return Outcome.DONE
    with _signals() as settle:
        if arguments.action == "abort":
            return _abort(arguments, deployments, in_force, settle)
        return _bring(arguments, deployments, in_force, settle)


def _where_nothing_is(arguments: argparse.Namespace, deployments: Deployments) -> int:
    if arguments.action in (
        "status",
        "abort",
    ):  # an abort after a failed first deployment has nothing to undo
        print(f"nothing is deployed in {arguments.env} yet")
        return Outcome.DONE
    if arguments.action == "resume":
        return _refuse(f"nothing is deployed in {arguments.env} yet; `lumigate rollout start` does it")
    begun_s = time.time()
    with _signals() as settle:
        settle()  # half a first deployment is none
        conductor = Conductor(deployer=deployments, gate=_no_gate, sleep=time.sleep, say=_say)
        ended = at_once.first(deployments, conductor, tag=arguments.tag, message=arguments.message)
    return _end(arguments, ended.outcome, ended.version, begun_s)


def _abort(
    arguments: argparse.Namespace, deployments: Deployments, in_force: InForce, settle: _Settle
) -> int:
    under_way = in_force.rollout if in_force.alone is None else None
    if under_way is None:
        print(f"no rollout is under way: {in_force}")
        return Outcome.DONE
    begun_s, version = time.time(), under_way.candidate
    conductor = Conductor(deployer=deployments, gate=_no_gate, sleep=time.sleep, say=_say, settle=settle)
    outcome = conductor.roll_back(version, under_way.stable)
    outcome = Outcome.DONE if outcome is Outcome.ROLLED_BACK else outcome
    return _end(arguments, outcome, version, begun_s, word="rolled_back")


def _bring(
    arguments: argparse.Namespace, deployments: Deployments, in_force: InForce, settle: _Settle
) -> int:
    """`start` and `resume`."""
    begun_s, under_way = time.time(), in_force.rollout if in_force.alone is None else None
    conductor = Conductor(
        deployer=deployments,
        gate=slo_gate(_source(arguments), arguments.slo),
        versions=_version_gate(arguments),
        sleep=time.sleep,
        say=_say,
        settle=settle,
    )
    pace = Pace(
        steps=arguments.steps,
        soak_seconds=arguments.soak,
        wait_seconds=arguments.wait,
        check_seconds=max(arguments.check, 0.1),
        allow_unobserved=arguments.allow_unobserved,
    )
    if arguments.action == "resume":
        if under_way is None:
            return _refuse(f"no rollout of ours is under way: {in_force}")
        version, stable = under_way.candidate, under_way.stable
        outcome = conductor.roll_out(version, stable, pace, reached=in_force.shares.get(version, 0))
        return _end(arguments, outcome, version, begun_s)
    if in_force.alone is None:
        return _refuse(f"two versions are in force ({in_force}); `lumigate rollout resume` or `abort` first")
    texts = {"tag": arguments.tag, "message": arguments.message}
    try:
        version = deployments.upload(**texts)
    except MigrationPending:
        if not arguments.migrate:
            by_hand = " ".join(deployments.command(["deploy", "--strict"]))
            return _refuse(
                f"{at_once.WHY_NOT}: `lumigate rollout start --migrate --env {arguments.env}`; "
                f"where nothing serves yet, `npx wrangler {by_hand}`"
            )
        ended = at_once.migrate(deployments, conductor, pace, stable=in_force.alone, **texts)
        return _end(arguments, ended.outcome, ended.version, begun_s)
    _say(f"uploaded {version}, in force is {in_force.alone}")
    return _end(arguments, conductor.roll_out(version, in_force.alone, pace), version, begun_s)


def _source(arguments: argparse.Namespace) -> list[str]:
    """Where `lumigate slo status` reads."""
    if arguments.analytics_engine:
        return ["--analytics-engine", arguments.analytics_engine]
    return ["--prometheus", arguments.prometheus]


def _version_gate(arguments: argparse.Namespace) -> ReadVersions | None:
    if arguments.service_only:
        return None
    from local.rollout.indicators import by_version
    from local.rollout.versions import analytics_engine_counts, prometheus_counts, version_gate
    from slo.build import Sources

    sources = Sources.load()
    chosen = [one for one in sources.promises if not arguments.slo or one.name in arguments.slo]
    what = by_version(chosen, warm_up_s=arguments.warm_up, step=sources.settings.step_seconds)
    if arguments.analytics_engine:
        account, token = (
            os.environ.get(name, "") for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN")
        )
        dataset = sources.settings.analytics_engine_dataset
        counts = analytics_engine_counts(arguments.analytics_engine, account, token, dataset)
    else:
        counts = prometheus_counts(
            arguments.prometheus, sources.settings.matchers, sources.settings.temporality
        )
    return version_gate(counts, what, arguments.min_requests)


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


class _Settle:
    """The first signal raises `Interrupted`. After it, or once this was called, signals are noted and no more.

    A terminal that is closed sends one, too.
    """

    def __init__(self) -> None:
        self.settled = False

    def __call__(self) -> None:
        self.settled = True

    def receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.settled:
            _say(f"{signal.Signals(number).name}: what was begun goes on")
        else:
            self.settled = True
            raise Interrupted(signal.Signals(number).name)


@contextmanager
def _signals() -> Iterator[_Settle]:
    settle = _Settle()
    before = {number: signal.signal(number, settle.receive) for number in SIGNALS}
    try:
        yield settle
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _no_gate() -> Reading:
    raise AssertionError("nothing is read when a rollout is called off")


def _say(line: str) -> None:
    """Raises nothing: a rollout that nobody listens to any more goes on, or back, as it would have."""
    try:
        print(f"rollout: {line}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        closed_output.discarded()
    except OSError:  # of a terminal that is gone
        return


def _refuse(reason: str) -> int:
    print(f"lumigate rollout: {reason}", file=sys.stderr)
    return Outcome.REFUSED
