"""Finds out who listens on a port, where the system tells easily (Linux's /proc)."""

from __future__ import annotations

import contextlib
from pathlib import Path

_LISTEN = "0A"


def port_holder(port: int) -> str | None:
    """Such as "python (process 4242)", or None where it cannot be known."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's process, or one that has just ended
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in wanted:
                    name = (process / "comm").read_text(encoding="utf-8").strip()
                    return f"{name} (process {process.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    """The inodes of the TCP sockets that listen on `port`; see proc_pid_net(5) for the columns."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                    inodes.add(columns[9])
    return inodes
