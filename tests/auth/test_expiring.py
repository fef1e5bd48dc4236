from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lumigate.auth.expiring import ExpiringCache

CAPACITY = 3
NAMES = st.sampled_from("abcdef")


class AgainstAPlainModel(RuleBasedStateMachine):
    """Whatever is done: never more than fits, never a value past its time, and the least recently used goes first."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: ExpiringCache[int | None] = ExpiringCache(CAPACITY)
        self.model: dict[str, tuple[float, int | None]] = {}
        self.now = 0.0

    @rule(name=NAMES, value=st.none() | st.integers(), seconds=st.integers(0, 5))
    def put(self, name: str, value: int | None, seconds: int) -> None:
        self.cache.put(name, value, self.now + seconds)
        self.model.pop(name, None)
        self.model[name] = (self.now + seconds, value)
        while len(self.model) > CAPACITY:
            del self.model[next(iter(self.model))]

    @rule(name=NAMES)
    def get(self, name: str) -> None:
        found = self.cache.get(name, self.now)
        until, value = self.model.get(name, (0.0, None))
        if name in self.model and self.now < until:
            assert found == (value,)
            self.model[name] = self.model.pop(name)
        else:
            assert found is None
            self.model.pop(name, None)

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        self.cache.forget(name)
        self.model.pop(name, None)

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.cache) == len(self.model) <= CAPACITY


TestExpiringCache = AgainstAPlainModel.TestCase
