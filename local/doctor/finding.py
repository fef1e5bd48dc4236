"""What the doctor found: one fact, how bad it is, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """From nothing to do, over what could not be looked at, to what must be mended."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`check` is the part of the examination, `where` the environment or tool; `next_step` is empty if all is well."""

    level: Level
    check: str
    where: str
    what: str
    next_step: str = ""

    def content(self) -> dict[str, Any]:
        """For machines."""
        return {
            "level": self.level.value,
            "check": self.check,
            "where": self.where,
            "what": self.what,
            "next": self.next_step,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Makes the findings of one check about one place."""

    check: str
    where: str

    def ok(self, what: str) -> Finding:
        return Finding(level=Level.OK, check=self.check, where=self.where, what=what)

    def skipped(self, what: str, next_step: str) -> Finding:
        return Finding(
            level=Level.SKIPPED, check=self.check, where=self.where, what=what, next_step=next_step
        )

    def warning(self, what: str, next_step: str) -> Finding:
        return Finding(
            level=Level.WARNING, check=self.check, where=self.where, what=what, next_step=next_step
        )

    def error(self, what: str, next_step: str) -> Finding:
        return Finding(level=Level.ERROR, check=self.check, where=self.where, what=what, next_step=next_step)
