"""The gate between two steps: `lumigate slo status`, read by its exit code, and the new version by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from local.rollout.split import Share
from slo.standing import Gate

TIMEOUT_SECONDS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the gate said, and which promises made it say so."""

    gate: Gate
    reason: str


type ReadGate = Callable[[], Reading]
"""Of the service as a whole."""
type ReadVersions = Callable[[Share], Reading]
"""Of the new version, beside the old one."""

_STRICTEST_FIRST: Final = (Gate.BLOCKED, Gate.BURNING, Gate.UNREADABLE, Gate.UNOBSERVED, Gate.OPEN)


def strictest(service: Reading, version: Reading) -> Reading:
    """What the two say together. Where nothing stands in the way, what is known of the version."""
    first, second = (_STRICTEST_FIRST.index(one.gate) for one in (service, version))
    return service if first < second else version


class Verdict(Enum):
    """What follows from a reading."""

    GO = "go"
    WAIT = "wait"
    STOP = "stop"


def verdict(reading: Reading, *, unreadable_in_a_row: int, patience: int) -> Verdict:
    """A gate that burns or is blocked stops at once; one that cannot be read, when it stays so for `patience` readings.

    Too little traffic to say is a reason to wait: the end of the step decides what is made of it.
    """
    if reading.gate is Gate.OPEN:
        return Verdict.GO
    if reading.gate is Gate.UNOBSERVED:
        return Verdict.WAIT
    if reading.gate is Gate.UNREADABLE and unreadable_in_a_row < patience:
        return Verdict.WAIT
    return Verdict.STOP


def slo_gate(source: Sequence[str], promises: Sequence[str]) -> ReadGate:
    """Reads the gate with the command that people use, so that both see the same. `source`: its options for that."""
    command = [sys.executable, "-m", "local.cli", "slo", "status", "--json", *source]
    for promise in promises:
        command += ["--slo", promise]

    def read() -> Reading:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_SECONDS,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return Reading(gate=Gate.UNREADABLE, reason=f"no answer within {TIMEOUT_SECONDS} s")
        try:
            gate = Gate(done.returncode)
        except ValueError:
            gate = Gate.UNREADABLE
        told = _reason(gate, done.stdout) or (done.stderr.strip().splitlines() or [gate.name.lower()])[-1]
        return Reading(gate=gate, reason=told)

    return read


def _reason(gate: Gate, output: str) -> str:
    """The promises that stand in the way."""
    try:
        slos = json.loads(output)["slos"]
        return ", ".join(str(each["slo"]) for each in slos if each["gate"] == gate.name.lower())
    except (ValueError, KeyError, TypeError):
        return ""
