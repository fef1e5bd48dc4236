"""Secrets of the account's Secrets Store: bindings that must be asked for their value.

Such a binding has one method, `get()`, a promise of the value that is rejected where there is none. To JavaScript it is
a `Fetcher` like any other service, whose every property looks like a method, so nothing but its name tells it: what is
bound under the name of a setting is a secret (`environ.py`).
https://developers.cloudflare.com/secrets-store/integrations/workers/

What was read are plain strings: they outlive the request that read them and serve every request and object of the
isolate. A read belongs to its request: first requests at the same time each read for themselves, and none waits for
another. What failed is kept nowhere, so the next request tries again. What was read long ago is read again, behind an
answer, or before it if nobody came for twice as long; until then, and where that fails, the old value serves.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final

import js

from lumigate.platform.workers.timeout import WorkersTimeout
from lumigate.telemetry.errors import ConfigurationError

AGAIN_MS: Final = 300_000
"""How old a value may become: a secret that was changed in the store is in use so much later, without a deployment."""
_TIMEOUT_SECONDS: Final = 5.0
_SHOWN_CHARS: Final = 200


class SecretsStore:
    """What one isolate has read. `revision` goes up when a value becomes another than it was."""

    def __init__(self) -> None:
        self.revision = 0
        self._values: dict[str, str] = {}
        self._usable: set[str] = set()
        self._due_ms = math.inf
        self._tally: dict[str, int] = {}

    async def values(self, bindings: Mapping[str, Any]) -> dict[str, str]:
        """The values by name; what is known is not read again. Raises `ConfigurationError`, which names a binding."""
        known = {name: self._values[name] for name in bindings if name in self._usable}
        missing = {name: binding for name, binding in bindings.items() if name not in known}
        if missing:
            known |= await self._read(missing)
            self._due_ms = min(self._due_ms, js.Date.now() + AGAIN_MS)
        return {name: self._values.get(name, value) for name, value in known.items()}

    def is_due(self) -> bool:
        """Whether it is time for `renew`; never where nothing is bound."""
        return bool(self._due_ms < math.inf and js.Date.now() >= self._due_ms)

    def is_stale(self) -> bool:
        """Whether nobody came for so long that what was read is too old to be used once more."""
        return bool(js.Date.now() >= self._due_ms + AGAIN_MS)

    async def renew(self, bindings: Mapping[str, Any]) -> None:
        """Read all of them again. Raises `ConfigurationError`; then what was read before still stands."""
        self._due_ms = js.Date.now() + AGAIN_MS  # before the wait: one request does it, the others go on
        await self._read(bindings)

    def forget(self) -> None:
        """What was read is no good: the next request reads it anew, and what is another then is told as such."""
        self._usable = set()
        self._due_ms = math.inf

    def take_tally(self) -> dict[str, int]:
        """How many values were read since the last call, by what came of it."""
        tally, self._tally = self._tally, {}
        return tally

    async def _read(self, bindings: Mapping[str, Any]) -> dict[str, str]:
        try:
            read = await _ask(bindings)
        except ConfigurationError:
            self._count("failed", 1)
            raise
        changed = sum(self._values.get(name, value) != value for name, value in read.items())
        self._count("changed", changed)
        self._count("read", len(read) - changed)
        self._values |= read
        self._usable |= read.keys()
        self.revision += changed > 0
        return read

    def _count(self, result: str, number: int) -> None:
        if number:
            self._tally[result] = self._tally.get(result, 0) + number


SECRETS = SecretsStore()
"""The isolate's: plain strings and numbers, so all of its requests and objects may share it."""


async def _ask(bindings: Mapping[str, Any]) -> dict[str, str]:
    """All at once, in bounded time: a promise rejected with what is not an Error would hang its awaiter for ever."""
    try:
        async with WorkersTimeout(_TIMEOUT_SECONDS):
            outcomes = await asyncio.gather(*map(_get, bindings.values()), return_exceptions=True)
    except TimeoutError:
        raise ConfigurationError(", ".join(bindings), "the Secrets Store did not answer in time") from None
    found = {}
    for name, outcome in zip(bindings, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            raise ConfigurationError(name, f"the Secrets Store does not give it: {_shown(outcome)}")
        if not isinstance(outcome, str):
            raise ConfigurationError(name, "is bound to what is no secret")
        found[name] = outcome
    return found


async def _get(binding: Any) -> Any:
    return await binding.get()


def _shown(error: BaseException) -> str:
    """What the platform says, in a line. It names the secret and never holds its value."""
    return " ".join(str(getattr(error, "message", None) or error).split())[:_SHOWN_CHARS]
