"""One session at work: gives out turns, stores what was sealed elsewhere, forgets.

What the Durable Object and the embedded runtime have in common. All methods are synchronous, so nothing comes between
reading the state and changing it; messages and answers are dicts of texts, numbers and lists, as RPC carries them.
Whoever is not the owner is told what everyone is told of a session that never was: `missing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate.sessions.bounds import first_kept
from lumigate.sessions.settings import SessionSettings
from lumigate.sessions.store import Record, SessionStore
from lumigate.sessions.turnstile import Lease, Line, is_held
from lumigate.sql import SqlDatabase
from lumigate.telemetry.host import Clock

MISSING: Mapping[str, Any] = {"status": "missing"}


class SessionService:
    """The session called `name`."""

    def __init__(self, name: str, database: SqlDatabase, *, settings: SessionSettings, clock: Clock) -> None:
        self.name = name
        self._store = SessionStore(database, name)
        self._settings = settings
        self._clock = clock
        self._line = Line()

    def create(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`owner`, `head` → `created`; or `exists`."""
        if self._store.record() is not None:
            return {"status": "exists"}
        now_ms = self._now_ms()
        self._store.create(str(message["owner"]), str(message["head"]), now_ms)
        return {"status": "created", "created_ms": now_ms, "expires_ms": now_ms + self._idle_ms}

    def begin(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`owner`, `ticket`, `key`, `fingerprint` → what the message is to do.

        `granted`: it is its turn, with all that the model must know; `busy`: ask again; `answered`: its key has been
        answered by a turn that is here; `reused`: by one whose body was another.
        """
        record = self._owned(message)
        if record is None:
            return dict(MISSING)
        ticket, key = str(message["ticket"]), str(message["key"])
        if key and (done := self._store.answered(key)) is not None:
            self._line.leave(ticket)
            number, fingerprint = done
            if fingerprint != message["fingerprint"]:
                return {"status": "reused"}
            return {"status": "answered", "turn": number, **self._contents(record)}
        now_ms = self._now_ms()
        if not self._line.is_next(ticket, record.lease, now_ms):
            waits_for_itself = bool(key) and is_held(record.lease, now_ms) and record.lease.key == key  # type: ignore[union-attr]
            return {"status": "busy", "retried": waits_for_itself, "waiting": len(self._line)}
        expires_ms = now_ms + int(self._settings.lease_seconds * 1000)
        self._store.hold(Lease(holder=ticket, expires_ms=expires_ms, key=key))
        return {
            "status": "granted",
            "turn": record.turn + 1,
            "index_due": now_ms - record.indexed_ms > self._idle_ms // 4,
            **self._contents(record),
        }

    def commit(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`owner`, `ticket`, `turn`, `body`, `versions`, `key`, `fingerprint`, `indexed` → `committed`; or `lost`.

        A lease that has run out is good for as long as nobody else has taken the turn.
        """
        record = self._owned(message)
        if record is None:
            return dict(MISSING)
        lease, turn = record.lease, int(message["turn"])
        if lease is None or lease.holder != message["ticket"] or turn != record.turn + 1:
            return {"status": "lost"}
        settings, now_ms = self._settings, self._now_ms()
        dropped = self._store.commit(
            turn,
            str(message["body"]),
            [(int(number), str(body)) for number, body in message["versions"]],
            key=str(message["key"]),
            fingerprint=str(message["fingerprint"]),
            now_ms=now_ms,
            indexed_ms=now_ms if message["indexed"] else record.indexed_ms,
            keep_turns=lambda sizes: first_kept(
                sizes, turns=settings.history_turns, size=_stored(settings.history_bytes)
            ),
            keep_versions=settings.code_versions,
        )
        return {"status": "committed", "dropped": dropped}

    def abandon(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`owner`, `ticket`: the message will not be answered; the turn is the next one's."""
        record = self._owned(message)
        if record is None:
            return dict(MISSING)
        ticket = str(message["ticket"])
        self._line.give_up(ticket, self._now_ms())
        if record.lease is not None and record.lease.holder == ticket:
            self._store.hold(None)
        return {"status": "abandoned"}

    def read(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`owner` → `found` with all but older versions; with `version` (0 is the last), that version only."""
        record = self._owned(message)
        if record is None:
            return dict(MISSING)
        if "version" not in message:
            return {"status": "found", **self._contents(record)}
        versions = [number for number, _ in self._store.sizes("version")]
        wanted = int(message["version"]) or max(versions, default=0)
        code = self._store.part("version", wanted)
        return {"status": "found", "versions": versions, "version": wanted, "code": code}

    def remove(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """`owner` → `removed`, and how much that was."""
        record = self._owned(message)
        if record is None:
            return dict(MISSING)
        turns, versions = self._store.sizes("turn"), self._store.sizes("version")
        self._store.remove()
        return {"status": "removed", "turns": len(turns), "versions": len(versions)}

    def expire(self) -> int:
        """Remove the session if its time has come; when to look again (ms), 0 where nothing is left."""
        record = self._store.record()
        if record is None:
            return 0
        due_ms = self._due_ms(record)
        if self._now_ms() < due_ms:
            return due_ms
        self._store.remove()
        return 0

    @property
    def is_waited_for(self) -> bool:
        """Whether messages stand in line: what memory holds is then worth keeping."""
        return len(self._line) > 0

    @property
    def _idle_ms(self) -> int:
        return self._settings.idle_seconds * 1000

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

    def _due_ms(self, record: Record) -> int:
        """A turn in progress is no idleness."""
        held_ms = record.lease.expires_ms if record.lease is not None else 0
        return max(record.active_ms + self._idle_ms, held_ms)

    def _owned(self, message: Mapping[str, Any]) -> Record | None:
        """The session, if it is the asker's and its time has not come."""
        record = self._store.record()
        if record is None or record.owner != message["owner"] or self._now_ms() >= self._due_ms(record):
            return None
        return record

    def _contents(self, record: Record) -> dict[str, Any]:
        versions = [number for number, _ in self._store.sizes("version")]
        return {
            "head": self._store.part("head", 0),
            "turns": self._store.parts("turn"),
            "versions": versions,
            "code": self._store.part("version", versions[-1]) if versions else None,
            "committed": record.turn,
            "created_ms": record.created_ms,
            "expires_ms": self._due_ms(record),
        }


def _stored(size: int) -> int:
    """Base64 takes four characters for three bytes."""
    return size * 4 // 3
