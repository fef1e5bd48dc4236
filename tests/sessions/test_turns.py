"""Turns of a session against a plain model: hypothesis sends messages, lets them die, waits, and looks."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from lumigate.sessions.service import SessionService
from lumigate.sessions.settings import SessionSettings
from lumigate.sessions.turnstile import GIVEN_UP_MS, LONGEST_LINE, TICKET_MS
from tests.fakes import FakeClock, FakeSessions

KEEP_TURNS, KEEP_VERSIONS, IDLE_SECONDS, DEADLINE_SECONDS = 3, 2, 600, 30
LEASE_SECONDS = DEADLINE_SECONDS + 60
ENVIRON = {
    "SESSION_HISTORY_TURNS": KEEP_TURNS,
    "SESSION_CODE_VERSIONS": KEEP_VERSIONS,
    "SESSION_IDLE_SECONDS": IDLE_SECONDS,
    "REQUEST_DEADLINE_SECONDS": DEADLINE_SECONDS,
}


class Turns(RuleBasedStateMachine):
    """`waiting` and `committed` are the model: who stands in line, and what has been answered, in order."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.sessions = FakeSessions(self.clock, **ENVIRON)
        self.service = self._opened()
        assert self.service.create({"owner": "o", "head": "head"})["status"] == "created"
        self.waiting: dict[str, float] = {}
        self.given_up: dict[str, float] = {}
        self.holder: tuple[str, float] | None = None
        self.committed: list[str] = []
        self.active = self.clock.ns / 1e9
        self.made = 0
        self.gone = False

    def _opened(self) -> SessionService:
        return SessionService(
            "s", self.sessions.database, settings=SessionSettings.from_environ(ENVIRON), clock=self.clock
        )

    @property
    def now(self) -> float:
        return self.clock.ns / 1e9

    def _is_alive(self) -> bool:
        held = self.holder[1] if self.holder else 0.0
        return not self.gone and self.now < max(self.active + IDLE_SECONDS, held)

    @rule(target=tickets)
    def a_message_comes(self) -> str:
        self.made += 1
        return f"t{self.made}"

    @rule(ticket=tickets)
    def it_asks_for_its_turn(self, ticket: str) -> None:
        answer = self.service.begin({"owner": "o", "ticket": ticket, "key": "", "fingerprint": ""})
        if not self._is_alive():
            assert answer["status"] == "missing"
            return
        if ticket in self.given_up and self.now - self.given_up[ticket] <= GIVEN_UP_MS / 1e3:
            assert answer["status"] == "busy"
            return
        self.waiting = {t: seen for t, seen in self.waiting.items() if self.now - seen <= TICKET_MS / 1e3}
        if ticket not in self.waiting and len(self.waiting) >= LONGEST_LINE:
            assert answer["status"] == "busy"
            return
        self.waiting[ticket] = self.now
        is_free = self.holder is None or self.now >= self.holder[1]
        if is_free and next(iter(self.waiting)) == ticket:
            assert answer["status"] == "granted"
            assert answer["turn"] == len(self.committed) + 1
            del self.waiting[ticket]
            self.holder = (ticket, self.now + LEASE_SECONDS)
        else:
            assert answer["status"] == "busy"

    @rule(ticket=tickets, versions=st.integers(0, 2))
    def it_commits(self, ticket: str, versions: int) -> None:
        turn = len(self.committed) + 1
        numbers = [[turn * 10 + n, f"code {turn} {n}"] for n in range(versions)]
        answer = self.service.commit(
            {
                "owner": "o",
                "ticket": ticket,
                "turn": turn,
                "body": f"body of {ticket}",
                "versions": numbers,
                "key": "",
                "fingerprint": "",
                "indexed": False,
            }
        )
        if not self._is_alive():
            assert answer["status"] == "missing"
        elif self.holder is not None and self.holder[0] == ticket:
            assert answer["status"] == "committed"
            self.committed.append(ticket)
            self.holder, self.active = None, self.now
        else:
            assert answer["status"] == "lost"

    @rule(ticket=tickets)
    def it_gives_up(self, ticket: str) -> None:
        self.service.abandon({"owner": "o", "ticket": ticket})
        if self._is_alive():
            self.waiting.pop(ticket, None)
            self.given_up[ticket] = self.now
            if self.holder is not None and self.holder[0] == ticket:
                self.holder = None

    @rule(seconds=st.sampled_from([0.5, 1.9, 2.1, 89.0, 91.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def the_object_is_evicted(self) -> None:
        """The line is lost with its memory, the lease is not."""
        self.service = self._opened()
        self.waiting, self.given_up = {}, {}

    @precondition(lambda self: self.made > 3)
    @rule()
    def a_day_without_messages(self) -> None:
        self.clock.advance(IDLE_SECONDS)
        due = self.service.expire()
        if self._is_alive():
            assert due > 0
        else:
            assert due == 0
            self.gone = True

    @rule()
    def someone_else_asks(self) -> None:
        for call in (self.service.begin, self.service.commit, self.service.read, self.service.remove):
            message: dict[str, Any] = {"owner": "p", "ticket": "x", "key": "", "fingerprint": "", "turn": 1}
            assert call(message)["status"] == "missing"

    @invariant()
    def what_is_kept_is_the_end_of_what_was_committed(self) -> None:
        found = self.service.read({"owner": "o"})
        if not self._is_alive():
            assert found == {"status": "missing"}
            return
        first = max(0, len(self.committed) - KEEP_TURNS)
        expected = [[n + 1, f"body of {t}"] for n, t in enumerate(self.committed)][first:]
        assert found["turns"] == expected
        assert len(found["versions"]) <= KEEP_VERSIONS
        assert (found["code"] is None) == (found["versions"] == [])
        assert found["head"] == "head"


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
