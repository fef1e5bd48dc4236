"""A reader of our output who has had enough (`| head`, a terminal that is gone): what is still written goes nowhere."""

from __future__ import annotations

import os
import select
import sys
from typing import Final, TextIO

EXIT_CODE: Final = 141
"""As a shell tells of a program that SIGPIPE ended: not 0, since nobody knows what would have been said."""


def discarded() -> bool:
    """Whether an output was closed, and leads nowhere from now on; False where both are as they were."""
    closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    return bool(closed)


def _is_closed(stream: TextIO) -> bool:
    try:
        stream.flush()
        asked = select.poll()  # what is not buffered is gone, and flushing it is no error
        asked.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0))
    except BrokenPipeError:
        return True
    except (OSError, ValueError, AttributeError):  # no file behind it; no `poll` on Windows
        return False
