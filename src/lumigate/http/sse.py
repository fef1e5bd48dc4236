"""Server-sent events on the way through: cut at event boundaries, never inside one.

The splitter works on bytes and decodes nothing, so that a stream costs one search a chunk. Boundaries are those of the
HTML standard, section 9.2.6: a blank line, lines ending in LF or CRLF (a lone CR is a line end there too, and no
provider sends it; such a stream is simply never cut).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BOUNDARY = re.compile(rb"\r?\n\r?\n")


class EventTooLarge(Exception):
    """One event grew past the bound."""


class EventSplitter:
    """Collects chunks; gives back whole events only."""

    __slots__ = ("_limit_bytes", "_tail")

    def __init__(self, limit_bytes: int = 4 * 1024 * 1024) -> None:
        self._tail = b""
        self._limit_bytes = limit_bytes

    def feed(self, chunk: bytes) -> bytes:
        """All events that are now complete, as one piece of bytes ending at a boundary; b"" if there is none.

        Raises `EventTooLarge` when an unfinished event passes the bound.
        """
        data = self._tail + chunk if self._tail else chunk
        if data.endswith(b"\n\n"):
            self._tail = b""
            return data
        end = 0
        # The last boundary: CRLFCRLF ends in "\n\r\n", LFLF in "\n\n".
        for mark in (b"\n\n", b"\n\r\n"):
            at = data.rfind(mark)
            if at >= 0:
                end = max(end, at + len(mark))
        self._tail = data[end:]
        if len(self._tail) > self._limit_bytes:
            raise EventTooLarge
        return data[:end]

    @property
    def rest(self) -> bytes:
        """What has come since the last boundary: not empty at the end of a stream means half an event.

        Line ends alone are none: whether they fall to the block before depends on how the stream was cut.
        """
        return self._tail.lstrip(b"\r\n")


def split_events(block: bytes) -> Iterator[bytes]:
    """The events of a block that ends at a boundary, each with its boundary."""
    start = 0
    for match in _BOUNDARY.finditer(block):
        yield block[start : match.end()]
        start = match.end()
    if start < len(block):
        yield block[start:]


def event_data(event: bytes) -> bytes:
    """The event's data: its `data:` lines without the prefix, joined by LF."""
    lines = []
    for line in event.splitlines():
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)
