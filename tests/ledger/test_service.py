from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.runtime.clock import AnchoredClock
from local.runtime.ledger import LocalLedgers
from lumigate.ledger import TenantLimits
from lumigate.ledger.book import MAX_RESERVATIONS, MAX_SETTLED
from lumigate.ledger.wire import read_decision, usage_text
from tests.fakes import FakeClock
from tests.ledger.rigs import LEASE_MS, LedgerUnderTest, PowerCut
from tests.midnight import stay_clear_of_midnight

DAILY = TenantLimits(usd_per_day=1)
EVERYTHING = TenantLimits(requests_per_minute=100, tokens_per_minute=1000, usd_per_day=10, usd_per_month=20)


@pytest.fixture
def ledger() -> LedgerUnderTest:
    return LedgerUnderTest(compact_entries=5)


def test_two_requests_never_both_pass_on_the_last_cent(ledger: LedgerUnderTest) -> None:
    assert ledger.reserve("a", DAILY, usd=0.99).allowed
    assert ledger.reserve("b", DAILY, usd=0.01).allowed
    refused = ledger.reserve("c", DAILY, usd=0.01)
    assert (refused.allowed, refused.kind) == (False, "day")


def test_what_a_request_did_not_need_is_there_for_the_next(ledger: LedgerUnderTest) -> None:
    ledger.reserve("a", DAILY, usd=0.9)
    refused = ledger.reserve("b", DAILY, usd=0.2)
    assert (refused.allowed, refused.wait_ms) == (False, 1000)
    ledger.settle("a", usd=0.1)
    assert ledger.reserve("b", DAILY, usd=0.2).allowed
    assert ledger.usage(DAILY) == {"day": (100_000_000, 200_000_000)}


def test_a_refused_request_may_try_again_under_the_same_id_and_has_used_nothing(
    ledger: LedgerUnderTest,
) -> None:
    few = TenantLimits(requests_per_minute=1)
    assert ledger.reserve("a", few).allowed
    before = ledger.statements
    refusals = [ledger.reserve("b", few) for _ in range(5)]
    assert {(refused.allowed, refused.kind) for refused in refusals} == {(False, "requests")}
    assert ledger.statements == before, "a refusal writes nothing"
    refused = refusals[-1]
    assert refused.wait_ms is not None
    ledger.clock.advance(refused.wait_ms / 1000)
    assert ledger.reserve("b", few).allowed


def test_the_limit_that_keeps_out_the_longest_is_the_one_that_is_told(ledger: LedgerUnderTest) -> None:
    both = TenantLimits(requests_per_minute=1, usd_per_day=1)
    ledger.reserve("a", both, usd=1)
    ledger.settle("a", usd=1)
    assert ledger.reserve("b", both, usd=0.5).kind == "day"


def test_a_request_that_alone_is_more_than_the_limit_is_told_never(ledger: LedgerUnderTest) -> None:
    for limits in (DAILY, TenantLimits(tokens_per_minute=10)):
        refused = ledger.reserve("a", limits, tokens=11, usd=2)
        assert (refused.allowed, refused.wait_ms) == (False, None)


def test_a_model_without_a_price_cannot_be_called_once_the_money_is_spent_and_the_cache_can(
    ledger: LedgerUnderTest,
) -> None:
    assert ledger.reserve("a", DAILY).allowed
    ledger.settle("a", usd=1)
    assert not ledger.reserve("b", DAILY).allowed
    assert ledger.reserve("c", DAILY, calls_model=False).allowed


def test_a_hit_counts_as_a_request_and_costs_nothing(ledger: LedgerUnderTest) -> None:
    for identity in ("a", "a", "b"):
        assert ledger.reserve(identity, EVERYTHING, tokens=50, usd=5, calls_model=False).allowed
    assert ledger.usage(EVERYTHING) == {"requests": (2, 0), "tokens": (0, 0), "day": (0, 0), "month": (0, 0)}


def test_money_that_nobody_settles_is_released_when_its_lease_ends_and_that_is_told_once(
    ledger: LedgerUnderTest,
) -> None:
    ledger.reserve("dead", DAILY, usd=0.8)
    ledger.clock.advance(LEASE_MS / 1000 - 0.001)
    assert not ledger.reserve("b", DAILY, usd=0.5).allowed
    ledger.clock.advance(0.001)
    ledger.usage(DAILY)
    ledger.evict()
    assert ledger.reserve("b", DAILY, usd=0.5).expired == 1
    assert ledger.reserve("c", DAILY, usd=0.1).expired == 0


def test_what_is_settled_after_its_lease_is_charged_all_the_same(ledger: LedgerUnderTest) -> None:
    ledger.reserve("slow", DAILY, usd=0.8)
    ledger.clock.advance(LEASE_MS / 1000)
    assert ledger.settle("slow", usd=0.7) == "late"
    assert ledger.settle("slow", usd=0.7) == "duplicate"
    assert ledger.usage(DAILY) == {"day": (700_000_000, 0)}


def test_what_began_yesterday_is_yesterdays_money() -> None:
    ledger = LedgerUnderTest(FakeClock(1_700_006_399))  # 23:59:59 UTC
    ledger.reserve("a", EVERYTHING, usd=4)
    ledger.clock.advance(2)
    assert ledger.usage(EVERYTHING)["day"] == (0, 0)
    assert ledger.usage(EVERYTHING)["month"] == (0, 4_000_000_000)
    ledger.settle("a", usd=3)
    assert ledger.usage(EVERYTHING)["day"] == (0, 0)
    assert ledger.usage(EVERYTHING)["month"] == (3_000_000_000, 0)


def test_a_clock_that_goes_back_gives_nothing_back(ledger: LedgerUnderTest) -> None:
    few = TenantLimits(requests_per_minute=1, usd_per_day=1)
    ledger.reserve("a", few, usd=1)
    ledger.clock.advance(-3 * 86_400)
    assert not ledger.reserve("b", few, usd=1).allowed


def test_limits_come_with_the_question_so_a_deploy_changes_them_at_once(ledger: LedgerUnderTest) -> None:
    ledger.reserve("a", DAILY, usd=1)
    assert not ledger.reserve("b", DAILY, usd=1).allowed
    assert ledger.reserve("b", TenantLimits(usd_per_day=2), usd=1).allowed


def test_what_is_kept_is_bounded(ledger: LedgerUnderTest) -> None:
    held = LedgerUnderTest()
    for n in range(MAX_RESERVATIONS):
        assert held.reserve(f"r{n}", EVERYTHING.model_copy(update={"requests_per_minute": None})).allowed
    refused = held.reserve("one more", DAILY)
    assert (refused.allowed, refused.kind, refused.wait_ms) == (False, "in_progress", 1000)
    for n in range(MAX_RESERVATIONS):
        held.settle(f"r{n}")
    assert held.reserve("one more", DAILY).allowed
    for n in range(50):
        held.settle(f"late{n}")
    assert len(held.service._book.settled) == MAX_SETTLED
    (size,) = held.database.execute("SELECT max(length(body)) FROM ledger_snapshot").fetchone()
    assert size < 2_000_000, "a row of a Durable Object takes 2 MB"
    (rows,) = held.database.execute("SELECT count(*) FROM ledger_entries").fetchone()
    assert rows <= 1000
    before = held.usage(EVERYTHING)
    held.evict()
    assert held.usage(EVERYTHING) == before


# --- what lies in the storage


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("statement", range(10))
def test_power_that_fails_anywhere_loses_nothing_that_was_acknowledged(
    statement: int, after_effect: bool
) -> None:
    """Five entries make a snapshot here: some of the statements are those of a compaction."""
    ledger = LedgerUnderTest(compact_entries=5)
    ledger.power_fails_in, ledger.last_takes_effect = statement, after_effect
    acknowledged = 0
    with suppress(PowerCut):
        for n in range(20):
            ledger.reserve(f"r{n}", EVERYTHING, tokens=1, usd=0.1)
            acknowledged = n + 1
    ledger.evict()
    spent, reserved = ledger.usage(EVERYTHING)["day"]
    assert (spent, reserved // 100_000_000) in ((0, acknowledged), (0, acknowledged + 1))
    # Whoever got no answer asks again under the same id: once is once.
    assert ledger.reserve(f"r{acknowledged}", EVERYTHING, tokens=1, usd=0.1).allowed
    assert ledger.usage(EVERYTHING)["day"] == (0, (acknowledged + 1) * 100_000_000)


def test_a_ledger_that_could_not_store_reads_again_what_lies_there(ledger: LedgerUnderTest) -> None:
    ledger.reserve("a", DAILY, usd=0.5)
    ledger.power_fails_in, ledger.last_takes_effect = 0, True
    with pytest.raises(PowerCut):
        ledger.reserve("b", DAILY, usd=0.5)
    ledger.power_fails_in = None
    assert ledger.reserve("b", DAILY, usd=0.5).allowed
    assert not ledger.reserve("c", DAILY, usd=0.5).allowed


def test_two_writers_never_both_pass(tmp_path: Path) -> None:
    """The one that was overtaken fails to store, reads what the other wrote, and decides again."""
    one, two = (LedgerUnderTest(path=str(tmp_path / "l")) for _ in range(2))
    assert one.reserve("a", DAILY, usd=0.6).allowed
    assert two.reserve("b", DAILY, usd=0.3).allowed
    with pytest.raises(sqlite3.IntegrityError):
        one.reserve("c", DAILY, usd=0.3)
    assert not one.reserve("c", DAILY, usd=0.3).allowed
    for ledger in (one, two):
        ledger.close()


@pytest.mark.parametrize("body", ["nonsense", "[]", '["r","a",1]', '["x","a",1,2,3]', '["s","a",1,"2",3]'])
def test_an_entry_that_cannot_be_read_stops_the_ledger_rather_than_its_limits(
    ledger: LedgerUnderTest, body: str
) -> None:
    ledger.reserve("a", DAILY, usd=1)
    ledger.execute("INSERT INTO ledger_entries VALUES (2, ?)", body)
    ledger.evict()
    with pytest.raises(ValueError, match=r"column|read"):
        ledger.reserve("b", DAILY, usd=1)


def test_a_snapshot_of_newer_code_is_not_misread(ledger: LedgerUnderTest) -> None:
    for n in range(6):
        ledger.reserve(f"r{n}", DAILY)
    ledger.execute("UPDATE ledger_snapshot SET body = replace(body, '\"version\":1', '\"version\":2')")
    ledger.evict()
    with pytest.raises(ValueError, match="version 2"):
        ledger.usage(DAILY)


_KILLED = """
import sys
from pathlib import Path
from local.runtime.clock import AnchoredClock
from local.runtime.ledger import LocalLedgers
from local.runtime.clock import AnchoredClock
from local.runtime.ledger import LocalLedgers
from lumigate.ledger import TenantLimits
from lumigate.ledger.book import Ask
from lumigate.ledger.wire import reserve_text, settle_text
ledger = LocalLedgers(Path(sys.argv[1]), AnchoredClock()).get("acme").service
limits = TenantLimits(usd_per_month=1_000_000)
for n in range(1_000_000):
    assert '"allowed": true' in ledger.reserve(reserve_text(f"r{n}", Ask(nano_usd=10**9), limits, 600_000))
    if n % 2:
        ledger.settle(settle_text(f"r{n}", 0, 5 * 10**8))
    print(n, flush=True)
"""


def test_a_process_that_is_killed_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """The embedded runtime's ledger, killed in the middle of a compaction or anywhere else."""
    stay_clear_of_midnight()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 1500:
            break
    process.kill()
    told = [int(rest) for rest in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    last = max([1500, *told])
    ledgers = LocalLedgers(tmp_path, AnchoredClock())
    text = ledgers.get("acme").service.usage(usage_text(TenantLimits(usd_per_month=1_000_000)))
    (month,) = read_decision(text).quotas
    settled, held = month.used // (5 * 10**8), month.reserved // 10**9
    assert settled + held in (last + 1, last + 2), "all that was told, and at most the one in progress"
    assert settled in ((last + 1) // 2, (last + 2) // 2)
    ledgers.close()


# --- what comes in


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"id": "a"}',
        '{"id": "", "tokens": 1, "nano_usd": 1, "lease_ms": 1, "limits": {}}',
        '{"id": "a", "tokens": -1, "nano_usd": 1, "lease_ms": 1, "limits": {}}',
        '{"id": "a", "tokens": true, "nano_usd": 1, "lease_ms": 1, "limits": {}}',
        '{"id": "a", "tokens": 1.5, "nano_usd": 1, "lease_ms": 1, "limits": {}}',
        '{"id": "a", "tokens": 1, "nano_usd": 1e30, "lease_ms": 1, "limits": {}}',
        '{"id": "a", "tokens": 1, "nano_usd": 1, "lease_ms": 1, "limits": {"tokens": "1"}}',
        '{"id": "a", "tokens": 1, "nano_usd": 1, "lease_ms": 1}',
    ],
)
def test_what_no_gateway_sends_is_refused_and_stored_nowhere(ledger: LedgerUnderTest, text: str) -> None:
    for method in (ledger.service.reserve, ledger.service.settle):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever it is, it is refused
            method(text if method == ledger.service.reserve else text.replace('"nano_usd": 1,', ""))
    assert ledger.statements == 0


@given(st.text(max_size=60))
def test_junk_raises_nothing_but_value_errors(text: str) -> None:
    ledger = LedgerUnderTest()
    for method in (ledger.service.reserve, ledger.service.settle, ledger.service.usage):
        with pytest.raises(ValueError):  # noqa: PT011 - as above
            method(text)
    ledger.close()
