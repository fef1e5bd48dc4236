"""A split of the traffic between two versions, and the message on a deployment that tells a rollout from others."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Final, Self

_VERSION: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MESSAGE: Final = re.compile(rf"lumigate rollout: ({_VERSION}) at ([0-9.]+)%, from ({_VERSION})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`percent` of the traffic for the candidate, the rest for the version it is to replace."""

    candidate: str
    stable: str
    percent: float

    @property
    def specs(self) -> list[str]:
        """As `wrangler versions deploy` takes them."""
        if self.percent >= 100:
            return [f"{self.candidate}@100%"]
        if self.percent <= 0:
            return [f"{self.stable}@100%"]
        return [f"{self.candidate}@{self.percent:g}%", f"{self.stable}@{100 - self.percent:g}%"]

    @property
    def message(self) -> str:
        """What is written on the deployment; `of_message` reads it."""
        return f"lumigate rollout: {self.candidate} at {self.percent:g}%, from {self.stable}"

    @classmethod
    def of_message(cls, message: str) -> Self | None:
        """The split that a deployment's message tells; None where it is of another origin."""
        found = _MESSAGE.search(message)
        if found is None:
            return None
        return cls(candidate=found[1], percent=float(found[2]), stable=found[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A split that is in force, and for how long it has been."""

    candidate: str
    stable: str
    percent: float
    elapsed_s: float


def parse_steps(text: str) -> tuple[float, ...]:
    """`10,50,100`: shares in percent that rise to 100. Raises ValueError with what was wanted."""
    try:
        steps = tuple(float(part) for part in text.split(","))
    except ValueError:
        steps = ()
    rising = all(before < after for before, after in itertools.pairwise(steps))
    if not steps or not rising or steps[0] <= 0 or steps[-1] != 100:
        raise ValueError(f"{text!r} is not a list of shares in percent that rise to 100, such as 10,50,100")
    return steps
