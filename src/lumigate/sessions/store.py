"""Where a session lies: three tables of SQLite, the same in a Durable Object and in one process.

An adapter gives a `SqlDatabase`. A part (the head, a turn, a version) is a sealed value as base64, cut into pieces,
because a row of a Durable Object holds at most 2 MB. Whatever changes a session is one transaction, so that an end in
the middle leaves the last committed turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lumigate.sessions.turnstile import Lease
from lumigate.sql import SqlDatabase

PIECE_CHARS = 1_000_000
TABLES = (
    "CREATE TABLE IF NOT EXISTS sessions (name TEXT PRIMARY KEY, owner TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " active_ms INTEGER NOT NULL, indexed_ms INTEGER NOT NULL, turn INTEGER NOT NULL, lease TEXT NOT NULL,"
    " lease_ms INTEGER NOT NULL, lease_key TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS session_turns (name TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, PRIMARY KEY (name, number))",
    "CREATE TABLE IF NOT EXISTS session_parts (name TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL,"
    " position INTEGER NOT NULL, size INTEGER NOT NULL, body TEXT NOT NULL,"
    " PRIMARY KEY (name, kind, number, position))",  # the size before the body, to be read without it
)

type Kind = Literal["head", "turn", "version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of a session without opening anything."""

    owner: str
    created_ms: int
    active_ms: int
    indexed_ms: int
    turn: int
    lease: Lease | None


class SessionStore:
    """One session's rows."""

    def __init__(self, database: SqlDatabase, name: str) -> None:
        self._database = database
        self._execute = database.execute
        self._name = name

    def record(self) -> Record | None:
        """None where there is no such session."""
        if not list(self._execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sessions'")):
            return None  # asking for a session that never was leaves nothing behind
        sql = (
            "SELECT owner, created_ms, active_ms, indexed_ms, turn, lease, lease_ms, lease_key"
            " FROM sessions WHERE name = ?"
        )
        for owner, created, active, indexed, turn, holder, expires, key in self._execute(sql, self._name):
            lease = Lease(holder=str(holder), expires_ms=int(expires), key=str(key)) if holder else None
            return Record(
                owner=str(owner),
                created_ms=int(created),
                active_ms=int(active),
                indexed_ms=int(indexed),
                turn=int(turn),
                lease=lease,
            )
        return None

    def create(self, owner: str, head: str, now_ms: int) -> None:
        """Raises if there is one already."""
        for sql in TABLES:
            self._execute(sql)

        def work() -> None:
            sql = "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, 0, '', 0, '')"
            self._execute(sql, self._name, owner, now_ms, now_ms, now_ms)
            self._put("head", 0, head)

        self._database.atomically(work)

    def hold(self, lease: Lease | None) -> None:
        """Store the lease, or that there is none."""
        held = lease or Lease(holder="", expires_ms=0)
        sql = "UPDATE sessions SET lease = ?, lease_ms = ?, lease_key = ? WHERE name = ?"
        self._execute(sql, held.holder, held.expires_ms, held.key, self._name)

    def commit(
        self,
        turn: int,
        body: str,
        versions: Sequence[tuple[int, str]],
        *,
        key: str,
        fingerprint: str,
        now_ms: int,
        indexed_ms: int,
        keep_turns: Callable[[list[tuple[int, int]]], int],
        keep_versions: int,
    ) -> int:
        """Store a turn and its versions, give the lease back, let go of what is too old; how many turns went."""
        dropped = 0

        def work() -> None:
            nonlocal dropped
            self._put("turn", turn, body)
            self._execute("INSERT INTO session_turns VALUES (?, ?, ?, ?)", self._name, turn, key, fingerprint)
            for number, version in versions:
                self._put("version", number, version)
            sizes = self.sizes("turn")
            oldest = keep_turns(sizes)
            dropped = sum(number < oldest for number, _ in sizes)
            self._execute("DELETE FROM session_turns WHERE name = ? AND number < ?", self._name, oldest)
            self._drop("turn", oldest)
            numbers = [number for number, _ in self.sizes("version")]
            if len(numbers) > keep_versions:
                self._drop("version", numbers[-keep_versions])
            sql = (
                "UPDATE sessions SET turn = ?, active_ms = ?, indexed_ms = ?,"
                " lease = '', lease_ms = 0, lease_key = '' WHERE name = ?"
            )
            self._execute(sql, turn, now_ms, indexed_ms, self._name)

        self._database.atomically(work)
        return dropped

    def remove(self) -> None:
        """Everything of the session."""

        def work() -> None:
            for table in ("sessions", "session_turns", "session_parts"):
                self._execute(f"DELETE FROM {table} WHERE name = ?", self._name)  # noqa: S608 - the names above

        self._database.atomically(work)

    def sizes(self, kind: Kind) -> list[tuple[int, int]]:
        """(number, size as it is stored) of all parts of a kind, oldest first."""
        sql = (
            "SELECT number, SUM(size) FROM session_parts WHERE name = ? AND kind = ?"
            " GROUP BY number ORDER BY number"
        )
        return [(int(number), int(size)) for number, size in self._execute(sql, self._name, kind)]

    def part(self, kind: Kind, number: int) -> str | None:
        """One part; None if it is not there."""
        sql = "SELECT body FROM session_parts WHERE name = ? AND kind = ? AND number = ? ORDER BY position"
        pieces = [str(body) for (body,) in self._execute(sql, self._name, kind, number)]
        return "".join(pieces) if pieces else None

    def parts(self, kind: Kind) -> list[list[int | str]]:
        """[number, part] of all parts of a kind, oldest first."""
        sql = "SELECT number, body FROM session_parts WHERE name = ? AND kind = ? ORDER BY number, position"
        found: dict[int, list[str]] = {}
        for number, body in self._execute(sql, self._name, kind):
            found.setdefault(int(number), []).append(str(body))
        return [[number, "".join(pieces)] for number, pieces in found.items()]

    def answered(self, key: str) -> tuple[int, str] | None:
        """The turn that answered an idempotency key, and the fingerprint of its body."""
        sql = "SELECT number, fingerprint FROM session_turns WHERE name = ? AND key = ?"
        for number, fingerprint in self._execute(sql, self._name, key):
            return int(number), str(fingerprint)
        return None

    def _put(self, kind: Kind, number: int, body: str) -> None:
        for position, at in enumerate(range(0, len(body), PIECE_CHARS)):
            piece = body[at : at + PIECE_CHARS]
            sql = "INSERT INTO session_parts VALUES (?, ?, ?, ?, ?, ?)"
            self._execute(sql, self._name, kind, number, position, len(piece), piece)

    def _drop(self, kind: Kind, before: int) -> None:
        sql = "DELETE FROM session_parts WHERE name = ? AND kind = ? AND number < ?"
        self._execute(sql, self._name, kind, before)
