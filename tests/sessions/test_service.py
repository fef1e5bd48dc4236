"""One session: idempotency, bounds in bytes, and what a failure in the middle of a commit leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from lumigate.sessions.bounds import first_kept
from lumigate.sessions.service import SessionService
from lumigate.sessions.settings import SessionSettings
from lumigate.sessions.store import PIECE_CHARS
from lumigate.sessions.turnstile import TICKET_MS, Lease, Line
from tests.fakes import FakeClock, MemoryDatabase


class CrashingDatabase(MemoryDatabase):
    """Raises at the statement with the number `crash_at`, counted from now."""

    crash_at = 0

    def execute(self, sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]:
        self.crash_at -= 1
        if self.crash_at == 0:
            raise OSError("the end")
        return super().execute(sql, *parameters)


def opened(database: MemoryDatabase | None = None, **environ: Any) -> SessionService:
    service = SessionService(
        "s",
        database or MemoryDatabase(),
        settings=SessionSettings.from_environ(environ),
        clock=FakeClock(),
    )
    service.create({"owner": "o", "head": "head"})
    return service


def begin(
    service: SessionService, ticket: str = "t", key: str = "", fingerprint: str = "f"
) -> dict[str, Any]:
    return service.begin({"owner": "o", "ticket": ticket, "key": key, "fingerprint": fingerprint})


def commit(
    service: SessionService, turn: int, body: str = "body", ticket: str = "t", **more: Any
) -> dict[str, Any]:
    message = {"owner": "o", "ticket": ticket, "turn": turn, "body": body, "versions": []}
    return service.commit(message | {"key": "", "fingerprint": "", "indexed": False} | more)


def test_a_turn_that_was_given_back_before_it_was_asked_for_is_given_to_nobody_gone() -> None:
    """Two calls of one request may overtake each other: the client left while it asked for its turn."""
    service = opened()
    service.abandon({"owner": "o", "ticket": "gone"})
    assert begin(service, "gone")["status"] == "busy"
    assert begin(service, "next")["status"] == "granted", "nobody waits for whoever left"


def test_a_key_that_was_answered_leads_to_its_turn() -> None:
    service = opened()
    begin(service, key="k")
    commit(service, 1, "first", key="k", fingerprint="f")
    begin(service, key="other")
    commit(service, 2, "second", key="other", fingerprint="f")
    answer = begin(service, key="k")
    assert (answer["status"], answer["turn"], answer["turns"][0]) == ("answered", 1, [1, "first"])


def test_a_key_with_another_body_is_told_so() -> None:
    service = opened()
    begin(service, key="k")
    commit(service, 1, key="k", fingerprint="f")
    assert begin(service, key="k", fingerprint="g") == {"status": "reused"}


def test_a_message_that_is_sent_again_while_it_is_answered_waits_for_itself() -> None:
    service = opened()
    begin(service, key="k")
    assert begin(service, "again", key="k") == {"status": "busy", "retried": True, "waiting": 1}
    assert begin(service, "other")["retried"] is False


def test_a_key_is_forgotten_with_its_turn() -> None:
    service = opened(SESSION_HISTORY_TURNS=1)
    for turn, key in enumerate(("a", "b"), start=1):
        begin(service, key=key)
        commit(service, turn, key=key, fingerprint="f")
    assert begin(service, key="a")["status"] == "granted"


def test_the_oldest_turns_go_when_there_are_too_many_bytes() -> None:
    service = opened(SESSION_HISTORY_BYTES=3000)
    for turn in range(1, 7):
        begin(service)
        assert commit(service, turn, "x" * 1000)["dropped"] == (
            1 if turn > 4 else 0
        )  # 4,000 characters of base64
    assert [number for number, _ in service.read({"owner": "o"})["turns"]] == [3, 4, 5, 6]


def test_a_turn_over_the_bound_stays_as_long_as_it_is_the_last() -> None:
    service = opened(SESSION_HISTORY_BYTES=3000)
    for turn, size in ((1, 10), (2, 9000), (3, 10)):
        begin(service)
        commit(service, turn, "x" * size)
        kept = [number for number, _ in service.read({"owner": "o"})["turns"]]
        assert kept == {1: [1], 2: [2], 3: [3]}[turn]


def test_the_first_kept_turn_is_the_last_at_least() -> None:
    assert first_kept([(4, 100)], turns=1, size=1) == 4
    assert first_kept([(4, 100), (5, 100)], turns=9, size=199) == 5
    assert first_kept([(4, 100), (5, 100)], turns=9, size=200) == 4
    assert first_kept([(4, 1), (5, 1), (6, 1)], turns=2, size=200) == 5


def test_a_part_longer_than_a_row_may_be_comes_back_whole() -> None:
    service = opened()
    begin(service)
    body = "".join(f"{n:07}" for n in range(3 * PIECE_CHARS // 7))
    commit(service, 1, body)
    assert service.read({"owner": "o"})["turns"] == [[1, body]]


def test_a_commit_that_fails_anywhere_leaves_the_last_committed_turn() -> None:
    """Statement after statement: until one attempt gets through, nothing of it is there."""
    database = CrashingDatabase()
    service = opened(database, SESSION_HISTORY_TURNS=1, SESSION_CODE_VERSIONS=2)
    begin(service)
    commit(service, 1, versions=[[1, "one"], [2, "two"]])
    begin(service)
    before = service.read({"owner": "o"})
    for crash_at in range(2, 100):
        database.crash_at = crash_at
        try:
            answer = commit(service, 2, versions=[[3, "three"]])
        except OSError:
            assert service.read({"owner": "o"}) == before
            continue
        database.crash_at = 0
        assert answer == {"status": "committed", "dropped": 1}
        assert crash_at > 6
        assert service.read({"owner": "o"})["versions"] == [2, 3]
        return
    raise AssertionError("no attempt got through")


def test_what_is_removed_leaves_nothing() -> None:
    database = MemoryDatabase()
    service = opened(database)
    begin(service)
    commit(service, 1, versions=[[1, "one"]])
    assert service.remove({"owner": "o"}) == {"status": "removed", "turns": 1, "versions": 1}
    for table in ("sessions", "session_turns", "session_parts"):
        assert list(database.execute(f"SELECT * FROM {table}")) == []  # noqa: S608 - the names above
    assert service.read({"owner": "o"}) == {"status": "missing"}


def test_a_session_is_made_once() -> None:
    assert opened().create({"owner": "p", "head": "other"}) == {"status": "exists"}


@pytest.mark.parametrize("name", ["begin", "commit", "abandon", "read", "remove"])
def test_a_session_that_never_was_is_missing(name: str) -> None:
    service = SessionService("none", MemoryDatabase(), settings=SessionSettings(), clock=FakeClock())
    assert getattr(service, name)({"owner": "o", "ticket": "t", "key": ""}) == {"status": "missing"}
    assert service.expire() == 0


def test_a_turn_in_progress_is_no_idleness() -> None:
    clock, database = FakeClock(), MemoryDatabase()
    settings = SessionSettings.from_environ({"SESSION_IDLE_SECONDS": 10, "REQUEST_DEADLINE_SECONDS": 100})
    service = SessionService("s", database, settings=settings, clock=clock)
    service.create({"owner": "o", "head": "head"})
    begin(service)
    clock.advance(60)
    due_ms = service.expire()
    assert due_ms > clock.now_ns() // 1_000_000
    assert commit(service, 1)["status"] == "committed"
    clock.advance(10)
    assert service.expire() == 0
    assert service.read({"owner": "o"})["status"] == "missing"


def test_a_turn_of_another_number_is_not_stored() -> None:
    service = opened()
    begin(service)
    assert commit(service, 2)["status"] == "lost"
    assert commit(service, 1)["status"] == "committed"


def test_who_no_longer_shows_a_ticket_has_left_the_line() -> None:
    line, lease = Line(), Lease(holder="h", expires_ms=1000)
    assert not line.is_next("gone", lease, 0)
    assert not line.is_next("here", lease, 10)
    assert not line.is_next("here", None, TICKET_MS), "the other may still come"
    assert line.is_next("here", None, TICKET_MS + 1)
