"""One request's abort controller, with a timer that may be re-armed.

The timer is JavaScript's and holds no Python object, so re-arming it for every chunk of a stream costs two foreign
calls and leaks nothing. The abort's reason is an `Error`, because a promise rejected with anything else would hang its
Python awaiter for ever.
"""

from __future__ import annotations

from typing import Any

import js


class Abort:
    """Aborts what was given its `signal`, by timer or at once."""

    __slots__ = ("_abort", "_controller", "_reason", "_timer")

    def __init__(self) -> None:
        self._controller = js.AbortController.new()
        self._abort = self._controller.abort.bind(self._controller)
        self._reason = js.Error.new("aborted by the gateway")
        self._timer: Any = None

    @property
    def signal(self) -> Any:
        return self._controller.signal

    @property
    def fired(self) -> bool:
        return bool(self._controller.signal.aborted)

    def arm(self, seconds: float) -> None:
        self.disarm()
        self._timer = js.setTimeout(self._abort, seconds * 1000, self._reason)

    def disarm(self) -> None:
        if self._timer is not None:
            js.clearTimeout(self._timer)
            self._timer = None

    def now(self) -> None:
        self.disarm()
        self._controller.abort(self._reason)
