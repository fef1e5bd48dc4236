"""A key set whose issuer answers what a test says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lumigate.auth.key_set import KeySet
from lumigate.errors import Unauthenticated
from tests.fakes import JWKS_URL, FakeAnswer, FakeKey, ScopeUnderTest


@dataclass(slots=True)
class Rig:
    """A key set and one scope that uses it."""

    keys: KeySet
    around: ScopeUnderTest

    async def key(self, kid: str = "k1") -> FakeKey:
        key = await self.keys.key(self.around.scope, kid, "RS256", self.around.scope.span)
        assert isinstance(key, FakeKey)
        return key

    async def refused(self, kid: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            await self.key(kid)
        return caught.value.reason

    def publish(self, *answers: FakeAnswer | Exception) -> None:
        self.around.ports.fetch.script(JWKS_URL, *answers)

    @property
    def fetches(self) -> int:
        return len(self.around.ports.fetch.calls)

    def wait(self, seconds: float) -> None:
        self.around.ports.clock.advance(seconds)
