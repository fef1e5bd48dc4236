"""`lumigate fuzz`: so many cases, none of them a defect, none slow, memory flat.

The exit code is 0 when all held, 1 when one did not. A case is named by seed, target and number, and can be run again
alone: `lumigate fuzz --seed S --only TARGET --case N`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from local.fuzz.rig import Rig
from local.fuzz.targets import TARGETS

MOST_SECONDS = 2.0
"""One case may take so much of the processor; typical is a thousandth. A machine may do other things meanwhile."""
MOST_WAITING_SECONDS = 60.0
"""And so long by the clock: one that waits for nothing takes no processor."""
MOST_GROWTH_MIB = 96
"""Resident memory may grow by so much after the first fifth of a target's cases: caches fill up to their bounds."""
MOST_REPORTED = 5
_SETTLE_EVERY = 200


@dataclass(slots=True)
class Tally:
    """What one target came to."""

    cases: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    results: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `lumigate fuzz`."""
    parser.add_argument("--cases", type=int, default=10_000, help="how many in all (default %(default)s)")
    parser.add_argument("--seed", default="1", help="another seed makes other cases (default %(default)s)")
    parser.add_argument("--only", choices=sorted(TARGETS), help="one target")
    parser.add_argument("--case", type=int, help="one case of it, by its number")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Run `lumigate fuzz` and return its exit code."""
    if args.case is not None and args.only is None:
        print("lumigate fuzz: --case needs --only TARGET", file=sys.stderr)
        return 2
    with _quiet(), tempfile.TemporaryDirectory(prefix="lumigate-fuzz-") as folder:
        tallies, problems = asyncio.run(_fuzz(args, Path(folder)))
    if args.json:
        print(json.dumps({"seed": args.seed, "problems": problems, "targets": _as_json(tallies)}, indent=2))
    else:
        print(_as_text(tallies))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


@contextmanager
def _quiet() -> Iterator[None]:
    """What the runtime would log about each hostile case is in the summary."""
    logger = logging.getLogger("local")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


async def _fuzz(args: argparse.Namespace, folder: Path) -> tuple[dict[str, Tally], list[str]]:
    rig = Rig(folder)
    tallies: dict[str, Tally] = {}
    problems: list[str] = []
    try:
        await rig.prepare()
        for name, (share, _) in TARGETS.items():
            if args.only in (None, name):
                numbers = range(max(1, args.cases * share // 100)) if args.only is None else range(args.cases)
                if args.case is not None:
                    numbers = range(args.case, args.case + 1)
                if not args.json:
                    print(f"{name}: {len(numbers):,} cases", file=sys.stderr)
                tallies[name] = await _run_target(rig, name, numbers, args.seed, problems)
        if failures := await rig.settle():
            problems.append(f"{failures} pieces of background work failed")
    finally:
        await rig.close()
    return tallies, problems


async def _run_target(rig: Rig, name: str, numbers: range, seed: str, problems: list[str]) -> Tally:
    tally, target = Tally(), TARGETS[name][1]
    settled_mib = 0.0
    for number in numbers:
        started, started_cpu = time.perf_counter(), time.process_time()
        try:
            tally.results[await target(rig, Random(f"{seed}/{name}/{number}"))] += 1
        except Exception as error:
            tally.results["FAILED"] += 1
            if len(tally.failures) < MOST_REPORTED:
                tally.failures.append(
                    f"{type(error).__name__}: {error} (--seed {seed} --only {name} --case {number})"
                )
        seconds = time.perf_counter() - started
        tally.cases += 1
        tally.seconds += seconds
        tally.slowest_seconds = max(tally.slowest_seconds, seconds)
        is_slow = time.process_time() - started_cpu > MOST_SECONDS or seconds > MOST_WAITING_SECONDS
        if is_slow and len(tally.failures) < MOST_REPORTED:
            tally.failures.append(f"took {seconds:.1f} s (--seed {seed} --only {name} --case {number})")
        if number % _SETTLE_EVERY == _SETTLE_EVERY - 1:
            await rig.settle()
            if settled_mib == 0.0 and tally.cases >= len(numbers) / 5:
                settled_mib = _resident_mib()
    growth_mib = _resident_mib() - settled_mib if settled_mib else 0.0
    if growth_mib > MOST_GROWTH_MIB:
        tally.failures.append(f"memory grew by {growth_mib:.0f} MiB over {tally.cases:,} cases")
    problems.extend(f"{name}: {failure}" for failure in tally.failures)
    return tally


def _resident_mib() -> float:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * 4096 / 2**20


def _as_json(tallies: dict[str, Tally]) -> dict[str, object]:
    return {
        name: {
            "cases": tally.cases,
            "seconds": round(tally.seconds, 3),
            "slowest_ms": round(tally.slowest_seconds * 1e3, 2),
            "results": dict(tally.results.most_common()),
            "failures": tally.failures,
        }
        for name, tally in tallies.items()
    }


def _as_text(tallies: dict[str, Tally]) -> str:
    lines = [f"{'target':<10}{'cases':>9}{'a second':>10}{'slowest':>11}  what came of them"]
    for name, tally in tallies.items():
        rate = tally.cases / tally.seconds if tally.seconds else 0.0
        results = ", ".join(f"{result} {count:,}" for result, count in tally.results.most_common(7))
        lines.append(
            f"{name:<10}{tally.cases:>9,}{rate:>10,.0f}{tally.slowest_seconds * 1e3:>8.1f} ms  {results}"
        )
    return "\n".join(lines)
