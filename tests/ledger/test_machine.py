from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lumigate.ledger import TenantLimits
from lumigate.ledger.book import Ask, Ceilings, Kind
from lumigate.ledger.limits import nano_usd
from tests.fakes import FakeClock
from tests.ledger.plain import PlainLedger
from tests.ledger.rigs import USD, LedgerUnderTest

MONTH_ENDS = 1_701_388_795
"""2023-11-30 23:59:55 UTC: the day and the month end in a moment."""


class LedgerMachine(RuleBasedStateMachine):
    """Two ledgers get the same; one is evicted at whim and compacts often. What adds up every event is the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock(MONTH_ENDS)
        self.steady = LedgerUnderTest(self.clock)
        self.evicted = LedgerUnderTest(self.clock, compact_entries=7)
        self.plain = PlainLedger()
        self.names = 0
        self.asked: list[tuple[str, Ask]] = []
        self.over_nano_usd = 0
        """By how much settlements were above what was reserved for them, or came after it had been released."""
        self.limits = TenantLimits()

    @initialize(
        requests=st.none() | st.integers(0, 8),
        tokens=st.none() | st.integers(0, 100),
        day=st.none() | st.integers(0, 20),
        month=st.none() | st.integers(0, 40),
    )
    def begin(self, requests: int | None, tokens: int | None, day: int | None, month: int | None) -> None:
        self.limits = TenantLimits(
            requests_per_minute=requests, tokens_per_minute=tokens, usd_per_day=day, usd_per_month=month
        )

    @property
    def now_ms(self) -> int:
        return self.clock.ns // 1_000_000

    @property
    def ceilings(self) -> Ceilings:
        day, month = self.limits.usd_per_day, self.limits.usd_per_month
        return Ceilings(
            requests=self.limits.requests_per_minute,
            tokens=self.limits.tokens_per_minute,
            day_nano_usd=None if day is None else nano_usd(day),
            month_nano_usd=None if month is None else nano_usd(month),
        )

    @rule(
        tokens=st.integers(0, 60),
        cents=st.integers(0, 1000),
        hit=st.booleans(),
        lease_ms=st.just(30_000),
        lost=st.booleans(),
    )
    def reserve(self, tokens: int, cents: int, hit: bool, lease_ms: int, lost: bool) -> None:
        """A new request; its answer may be lost, and then it asks again."""
        self.names += 1
        identity = f"req_{self.names}"
        ask = Ask(calls_model=False) if hit else Ask(tokens=tokens, nano_usd=cents * USD // 100)
        expected = self.plain.allows(ask, self.ceilings, self.now_ms)
        for _ in range(2 if lost and expected else 1):
            for ledger in (self.steady, self.evicted):
                decision = ledger.reserve(
                    identity,
                    self.limits,
                    tokens=ask.tokens,
                    usd=ask.nano_usd / USD,
                    calls_model=ask.calls_model,
                    lease_ms=lease_ms,
                )
                assert decision.allowed is expected
        if expected:
            self.plain.reserve(identity, ask, lease_ms, self.now_ms)
            if not hit:
                self.asked.append((identity, ask))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), tokens=st.integers(0, 80), share=st.sampled_from([0, 1, 50, 100, 130]))
    def settle(self, data: st.DataObject, tokens: int, share: int) -> None:
        """Any request ever made, any number of times, whatever has become of it."""
        identity, ask = data.draw(st.sampled_from(self.asked))
        true = ask.nano_usd * share // 100
        answers = {
            ledger.settle(identity, tokens=tokens, usd=true / USD) for ledger in (self.steady, self.evicted)
        }
        expected = self.plain.settle(identity, tokens, true, self.now_ms)
        assert answers == {expected}
        if expected == "settled":
            self.over_nano_usd += max(0, true - ask.nano_usd)
        elif expected == "late":
            self.over_nano_usd += true

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def reserve_again(self, data: st.DataObject) -> None:
        """A copy of a reservation that comes late is allowed and changes nothing, as long as its id is known."""
        identity, ask = data.draw(st.sampled_from(self.asked))
        if not self.plain.known(identity, self.now_ms):
            return
        for ledger in (self.steady, self.evicted):
            decision = ledger.reserve(identity, self.limits, tokens=ask.tokens, usd=ask.nano_usd / USD)
            assert decision.allowed

    @rule(seconds=st.sampled_from([0.001, 0.4, 1, 7, 29, 31, 60, 61, 3600, 86_400]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def evict(self) -> None:
        self.evicted.evict()

    @invariant()
    def what_is_told_is_what_adding_up_gives(self) -> None:
        if not self.limits.limit_anything:
            return
        found = self.steady.usage(self.limits)
        assert found == self.evicted.usage(self.limits)
        now_ms = self.now_ms
        truth = {
            "requests": (self.plain.requests(now_ms), 0),
            "tokens": (self.plain.tokens(now_ms), 0),
            "day": (self.plain.spent(Kind.DAY, now_ms), self.plain.reserved(Kind.DAY, now_ms)),
            "month": (self.plain.spent(Kind.MONTH, now_ms), self.plain.reserved(Kind.MONTH, now_ms)),
        }
        assert found == {kind: truth[kind] for kind in found}

    @invariant()
    def nobody_spends_more_than_the_budget(self) -> None:
        """But for what cost more than was reserved for it, or was told when nothing was reserved any more."""
        for kind, limit in (("day", self.limits.usd_per_day), ("month", self.limits.usd_per_month)):
            if limit is not None:
                spent, reserved = self.steady.usage(self.limits)[kind]
                assert spent + reserved <= limit * USD + self.over_nano_usd

    def teardown(self) -> None:
        self.steady.close()
        self.evicted.close()


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
