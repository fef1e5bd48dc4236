"""A request's hand on one session: calls to its object, each a span, and what they say as errors of ours.

Belongs to a request. The turn that `begin` was given is given back by `commit`, or by `release` on every other way out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lumigate.errors import ClientGone
from lumigate.ports import SessionIndex, SessionObject
from lumigate.privacy.sealing import KeyRing, Sealer
from lumigate.scope import Scope
from lumigate.sessions.errors import (
    IdempotencyKeyReused,
    SessionBusy,
    SessionNotFound,
    SessionsNotConfigured,
    SessionsUnavailable,
    TurnLost,
)
from lumigate.sessions.ids import public_id
from lumigate.sessions.vault import Vault

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5
"""Well below the time for which a place in the line is kept."""

type _Call = Callable[[], Awaitable[Mapping[str, Any]]]


class SessionClient:
    """The session that storage calls `name`, as `owner` sees it."""

    def __init__(self, scope: Scope, keys: KeyRing | None, *, owner: str, name: str) -> None:
        """Raises `SessionsNotConfigured`."""
        if keys is None:
            raise SessionsNotConfigured("the setting SEALING_KEYS")
        found = scope.ports.session(name)
        if found is None:
            raise SessionsNotConfigured("the binding SESSION")
        self._object: SessionObject = found
        self._scope = scope
        self._owner = owner
        self.name = name
        self.public_id = public_id(name)
        self.vault = Vault(Sealer(keys, scope.ports.aead, scope.ports.entropy), owner=owner, name=name)
        self._ticket = ""
        self._indexed = False

    async def create(self, head: bytes) -> Mapping[str, Any]:
        """The session begins, with what was sealed as its head."""
        message = {"owner": self._owner, "head": await self.vault.seal("head", 0, head)}
        return await self._call("create", lambda: self._object.create(message))

    async def begin(self, *, key: str, fingerprint: str, wait_seconds: float) -> Mapping[str, Any]:
        """Wait for the turn: `granted`, with what the model must know; or `answered`, by a turn that is there.

        Raises `SessionBusy` when the wait is over, `IdempotencyKeyReused`, `SessionNotFound`.
        """
        scope, ticket = self._scope, self._scope.ports.entropy.random_bytes(16).hex()
        message = {"owner": self._owner, "ticket": ticket, "key": key, "fingerprint": fingerprint}
        started_ns = scope.clock.now_ns()
        self._ticket = ticket
        scope.request.disconnect.subscribe(self.release)
        pause = FIRST_PAUSE_SECONDS

        async def ask() -> Mapping[str, Any]:
            nonlocal pause
            while True:
                answer = await self._object.begin(message)
                scope.facts.last_active_ns = scope.clock.now_ns()
                waited = (scope.facts.last_active_ns - started_ns) / 1e9
                if answer["status"] != "busy" or waited + pause > wait_seconds or scope.facts.finished:
                    return answer
                await scope.clock.sleep(pause)
                pause = min(LONGEST_PAUSE_SECONDS, pause * 1.6)

        try:
            answer = await self._call("begin", ask)
        except BaseException:
            self.release()
            raise
        scope.instruments.session_wait.record((scope.clock.now_ns() - started_ns) / 1e9, {}, span=scope.span)
        if answer["status"] == "granted":
            return answer
        if answer["status"] == "answered":
            self._hand_in()
            return answer
        self.release()
        if answer["status"] == "reused":
            raise IdempotencyKeyReused
        if scope.facts.finished:
            raise ClientGone
        raise SessionBusy(retried=bool(answer["retried"]))

    async def commit(
        self, turn: int, body: bytes, versions: Mapping[int, bytes], *, key: str, fingerprint: str
    ) -> Mapping[str, Any]:
        """Store the turn. Raises `TurnLost`."""
        message = {
            "owner": self._owner,
            "ticket": self._ticket,
            "turn": turn,
            "body": await self.vault.seal("turn", turn, body),
            "versions": [
                [number, await self.vault.seal("version", number, content)]
                for number, content in versions.items()
            ],
            "key": key,
            "fingerprint": fingerprint,
            "indexed": self._indexed,
        }
        answer = await self._call("commit", lambda: self._object.commit(message), turn=turn)
        self._hand_in()
        if answer["status"] == "lost":
            raise TurnLost
        if answer["dropped"]:
            self._scope.instruments.session_turns_dropped.add(int(answer["dropped"]), {})
        return answer

    async def renew(self) -> None:
        """Keep the session in its owner's index. Awaited: one that is not there could not be forgotten."""
        index = index_of(self._scope, self._owner)
        await called(self._scope, "index", lambda: index.touch({"name": self.name}))
        self._indexed = True

    def release(self) -> None:
        """Give the turn, or the place in the line, back; in the background, and once. Nothing to give back is fine."""
        if ticket := self._hand_in():
            self._scope.ports.background(self._abandon(ticket))

    def _hand_in(self) -> str:
        """The ticket that is not needed any more; nor need anybody tell us that the client has gone."""
        ticket, self._ticket = self._ticket, ""
        self._scope.request.disconnect.unsubscribe(self.release)
        return ticket

    async def read(self, version: int | None = None) -> Mapping[str, Any]:
        """All but older versions of the code; or one version, 0 for the last."""
        message = {"owner": self._owner} if version is None else {"owner": self._owner, "version": version}
        return await self._call("read", lambda: self._object.read(message))

    async def remove(self) -> Mapping[str, Any]:
        return await self._call("remove", lambda: self._object.remove({"owner": self._owner}))

    async def _abandon(self, ticket: str) -> None:
        message = {"owner": self._owner, "ticket": ticket}
        with contextlib.suppress(Exception):  # the lease runs out by itself
            await self._object.abandon(message)

    async def _call(self, step: str, call: _Call, *, turn: int = 0) -> Mapping[str, Any]:
        return await called(self._scope, step, call, conversation=self.public_id, turn=turn)


async def called(
    scope: Scope, step: str, call: _Call, *, conversation: str = "", turn: int = 0
) -> Mapping[str, Any]:
    """One call to an object, as a span. Raises `SessionNotFound`, and `SessionsUnavailable` for whatever RPC throws."""
    attributes: dict[str, Any] = {"lumigate.session.step": step}
    if conversation:
        attributes["gen_ai.conversation.id"] = conversation
    with scope.step(f"session.{step}", attributes=attributes) as timed:
        try:
            answer = await call()
        except Exception as error:
            timed.span.record_exception(error)
            raise SessionsUnavailable from None
        status = str(answer.get("status", ""))
        timed.span.set_attribute("lumigate.session.status", status)
        if turn or "turn" in answer:
            timed.span.set_attribute("lumigate.session.turn", turn or int(answer["turn"]))
        if status == "missing":
            raise SessionNotFound
    scope.instruments.session_step_duration.record(
        timed.seconds, {"lumigate.session.step": step}, span=timed.span
    )
    return answer


def index_of(scope: Scope, owner: str) -> SessionIndex:
    """The index of someone's sessions. Raises `SessionsNotConfigured`."""
    index = scope.ports.session_index(owner)
    if index is None:
        raise SessionsNotConfigured("the binding SESSION_INDEX")
    return index
