"""The rollout itself: a step, a wait under watch, the next step; and back to the version before on any fault.

From the first step on there are two ways out: the candidate has all traffic, or the stable version has. A fault of the
gate, of wrangler or of this program, and a signal, all lead to the second. Only where that itself fails is a person
needed, who is told the command to run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from local.rollout.deployments import WranglerFailed
from local.rollout.gate import ReadGate, Reading, ReadVersions, Verdict, strictest, verdict
from local.rollout.split import Share, Split
from slo.standing import Gate

ROLLBACK_TRIES: Final = 3
ROLLBACK_WAIT_SECONDS: Final = 5.0
PATIENCE: Final = 3
"""Readings in a row that may fail before not knowing counts as bad news."""


class Outcome(IntEnum):
    """Exit codes of `lumigate rollout`."""

    DONE = 0
    ROLLED_BACK = 1
    REFUSED = 2
    STUCK = 3


class Interrupted(Exception):
    """A signal asked for the end."""


class Deployer(Protocol):
    """What is needed of `Deployments`."""

    def split(self, split: Split) -> None: ...

    def apply_triggers(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Which shares, and how long each is watched before the next; the last is watched as well."""

    steps: Sequence[float] = (10.0, 50.0, 100.0)
    soak_seconds: float = 600.0
    check_seconds: float = 30.0
    wait_seconds: float = 0.0
    """How much longer a share is watched where too little was observed to say."""
    allow_unobserved: bool = False
    """Go on where there was too little traffic to judge. Without it, that ends in a rollback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """Its collaborators; `sleep` may raise `Interrupted`."""

    deployer: Deployer
    gate: ReadGate
    sleep: Callable[[float], None]
    say: Callable[[str], None]
    settle: Callable[[], None] = lambda: None
    """Called before a rollback: from here on a further signal must not stop it."""
    versions: ReadVersions | None = None
    """The gate of the new version itself, beside that of the service; None: there is none."""
    clock: Callable[[], float] = time.monotonic

    def roll_out(self, candidate: str, stable: str, pace: Pace, *, reached: float = 0.0) -> Outcome:
        """From the share `reached` (0: none yet) to all, or back to none."""
        if reached <= 0 and (refusal := self.refusal(pace)):
            self.say(f"refused: {refusal}; nothing was changed")
            return Outcome.REFUSED
        try:
            if reached > 0:
                self.say(f"taking up a rollout at {reached:g}%")
                self._watch(Split(candidate=candidate, stable=stable, percent=reached), pace)
            for percent in pace.steps:
                if percent > reached:
                    self.say(f"{candidate} gets {percent:g}%")
                    split = Split(candidate=candidate, stable=stable, percent=percent)
                    self.deployer.split(split)
                    self._watch(split, pace)
            self.deployer.apply_triggers()
        except (_Stopped, WranglerFailed, Interrupted) as reason:
            self.say(f"going back: {reason}")
            return self.roll_back(candidate, stable)
        except BaseException as reason:  # a fault of ours must not leave half a rollout behind
            self.say(f"going back: {type(reason).__name__} in the rollout itself")
            outcome = self.roll_back(candidate, stable)
            if outcome is Outcome.STUCK:
                return outcome
            raise
        self.say(f"done: {candidate} has all traffic")
        return Outcome.DONE

    def roll_back(self, candidate: str, stable: str) -> Outcome:
        """Give all traffic to the stable version."""
        self.settle()
        for left in reversed(range(ROLLBACK_TRIES)):
            try:
                self.deployer.split(Split(candidate=candidate, stable=stable, percent=0))
            except WranglerFailed as error:
                self.say(f"the rollback failed: {error}")
                if left:
                    self.sleep(ROLLBACK_WAIT_SECONDS)
            else:
                self.say(f"rolled back: {stable} has all traffic")
                return Outcome.ROLLED_BACK
        self.say(f"STUCK. Run by hand: npx wrangler versions deploy {stable}@100% --yes")
        return Outcome.STUCK

    def refusal(self, pace: Pace) -> str:
        """Why not to begin: a release gate that is shut before is not the candidate's doing."""
        reading = self.gate()
        if reading.gate is Gate.OPEN or (reading.gate is Gate.UNOBSERVED and pace.allow_unobserved):
            return ""
        return f"the gate is {reading.gate.name.lower()} ({reading.reason})"

    def watch(self, split: Split, pace: Pace) -> str:
        """Hold this share for the soak time; why not to go on, or nothing."""
        try:
            self._watch(split, pace)
        except (_Stopped, Interrupted) as reason:
            return str(reason)
        return ""

    def _watch(self, split: Split, pace: Pace) -> None:
        """Hold this share for the soak time. Raises `_Stopped` for what the gates say."""
        begun_s = self.clock()
        left, extra = pace.soak_seconds, pace.wait_seconds
        unreadable, seen = 0, False
        while True:
            reading = self._read(split, self.clock() - begun_s)
            unreadable = unreadable + 1 if reading.gate is Gate.UNREADABLE else 0
            found = verdict(reading, unreadable_in_a_row=unreadable, patience=PATIENCE)
            self.say(f"{split.percent:g}%: the gate is {reading.gate.name.lower()}{_because(reading)}")
            if found is Verdict.STOP:
                raise _Stopped(f"the gate is {reading.gate.name.lower()} ({reading.reason})")
            seen = found is Verdict.GO
            if left > 0:
                pause = min(pace.check_seconds, left)
                left -= pause
            elif unreadable > 0:
                pause = pace.check_seconds
            elif not seen and extra > 0:
                pause = min(pace.check_seconds, extra)
                extra -= pause
                self.say(f"{split.percent:g}%: waiting for traffic, {extra:g} s at most")
            else:
                break
            self.sleep(pause)
        if not seen and not pace.allow_unobserved:
            raise _Stopped("too little was observed to say; see --allow-unobserved")

    def _read(self, split: Split, elapsed_s: float) -> Reading:
        service = self.gate()
        if self.versions is None:
            return service if service.gate is not Gate.OPEN else Reading(gate=Gate.OPEN, reason="")
        share = Share(
            candidate=split.candidate, stable=split.stable, percent=split.percent, elapsed_s=elapsed_s
        )
        return strictest(service, self.versions(share))


class _Stopped(Exception):
    """The gate said no."""


def _because(reading: Reading) -> str:
    return f" ({reading.reason})" if reading.reason else ""
