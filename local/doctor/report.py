"""Shows findings: aligned for people, in colours on a terminal only; as JSON for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from local.doctor.finding import Finding, Level

_COLOURS: Final = {Level.OK: "32", Level.SKIPPED: "2", Level.WARNING: "33", Level.ERROR: "31"}


def as_text(findings: Sequence[Finding], *, coloured: bool) -> str:
    """A line a finding, its next step below it, and a last line that counts."""
    widths = (
        max((len(finding.level) for finding in findings), default=0),
        max((len(finding.check) for finding in findings), default=0),
        max((len(finding.where) for finding in findings), default=0),
    )
    lines = []
    for finding in findings:
        level = finding.level.ljust(widths[0])
        shown = f"\x1b[{_COLOURS[finding.level]}m{level}\x1b[0m" if coloured else level
        lines.append(
            f"{shown}  {finding.check.ljust(widths[1])}  {finding.where.ljust(widths[2])}  {finding.what}"
        )
        if finding.next_step:
            lines.append(f"{' ' * (sum(widths) + 6)}→ {finding.next_step}")
    return "\n".join([*lines, "", _total(findings)])


def as_json(findings: Sequence[Finding]) -> str:
    """The findings and how many of each level."""
    content = {
        "healthy": not any(finding.level is Level.ERROR for finding in findings),
        "counts": {level.value: count for level, count in _counts(findings).items()},
        "findings": [finding.content() for finding in findings],
    }
    return json.dumps(content, indent=2)


def _counts(findings: Sequence[Finding]) -> dict[Level, int]:
    counted = Counter(finding.level for finding in findings)
    return {level: counted[level] for level in Level}


def _total(findings: Sequence[Finding]) -> str:
    counts = _counts(findings)
    errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
    parts = [f"{errors} {'error' if errors == 1 else 'errors'}" if errors else "nothing is wrong"]
    parts += [f"{warnings} {'warning' if warnings == 1 else 'warnings'}"] if warnings else []
    parts += [f"{counts[Level.SKIPPED]} not looked at"] if counts[Level.SKIPPED] else []
    return ", ".join(parts)
