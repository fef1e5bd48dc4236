"""What a server and its children take: CPU time and memory, from `/proc`. None where there is no such thing."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def cpu_seconds(pid: int) -> float | None:
    """User and system time so far, of all that are alive."""
    try:
        return sum(_ticks(one) for one in _family(pid)) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def memory_mb(pid: int) -> float | None:
    """Resident memory now."""
    try:
        return sum(_resident_kb(one) for one in _family(pid)) / 1024
    except OSError:
        return None


def _family(pid: int) -> list[int]:
    children = (_PROC / str(pid) / "task" / str(pid) / "children").read_text("ascii").split()
    return [pid, *(grandchild for child in children for grandchild in _family(int(child)))]


def _ticks(pid: int) -> int:
    # The second field is the program's name in parentheses, which may hold anything.
    fields = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident_kb(pid: int) -> int:
    for line in (_PROC / str(pid) / "status").read_text("utf-8", "replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
