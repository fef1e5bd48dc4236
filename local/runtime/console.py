"""Where wide events go: to whoever listens, and a bounded memory of the latest."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)


class ListeningConsole:
    """The adapter. `lines` holds the last thousand; a listener that fails is reported and never felt."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=1000)
        self.written = 0
        self._listeners: list[Callable[[str], None]] = []

    def __call__(self, line: str, /) -> None:
        self.written += 1
        self.lines.append(line)
        for listener in self._listeners:
            try:
                listener(line)
            except Exception:
                logger.exception("a listener of the console failed")

    def listen(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)
