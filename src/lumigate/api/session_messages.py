"""POST /sessions/{id}/messages: a message of a coding session, answered in its turn.

    1. wait for the turn, at most `SESSION_WAIT_SECONDS`; another's is answered first, in the order of arrival
    2. open what is sealed; the code that was sent becomes a version if it is another than the last
    3. ask a model, the way every chat goes: routing, retries, fallback, privacy policy, cost; never from the cache,
       because no two conversations are the same
    4. find the code in the answer, compare it with the version before
    5. seal and commit: only then is the turn over, and what is not committed has never been

The object of the session waits for none of this: it gives out the turn in 1 and takes it back in 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.api.chat import ChatCompletions
from lumigate.api.session_bodies import KEY_CHARS, NewMessage, validated
from lumigate.api.session_exchange import Exchange
from lumigate.api.session_stream import SessionStream, replayed_stream
from lumigate.api.sessions import NO_STORE, count, counted, named_session
from lumigate.config import Settings
from lumigate.errors import InvalidRequest, UpstreamBadAnswer
from lumigate.http.body import parse_json_object, read_json_bytes
from lumigate.http.types import Response, json_response
from lumigate.llm.router import Router
from lumigate.scope import Scope
from lumigate.sessions.client import SessionClient
from lumigate.sessions.contents import open_version
from lumigate.sessions.documents import Said, decode_turn
from lumigate.sessions.ids import keyed
from lumigate.sessions.reply import reply
from lumigate.sessions.versions import Version


class SessionMessages:
    """The handler. One an isolate."""

    def __init__(self, settings: Settings, chat: ChatCompletions, router: Router) -> None:
        self._settings = settings
        self._chat = chat
        self._router = router

    async def __call__(self, scope: Scope) -> Response:
        return await counted(scope, "message", self._handle)

    async def _handle(self, scope: Scope) -> Response:
        session_id, session = named_session(scope, self._settings)
        limit_bytes = min(self._settings.max_body_bytes, self._settings.sessions.message_bytes)
        raw = await read_json_bytes(scope, limit_bytes)
        message = validated(NewMessage, parse_json_object(raw))
        if message.model is not None:
            self._router.policy(message.model, scope.facts.country)  # raises before anything waits
        key, fingerprint = _idempotency(scope, session_id, raw)
        given = await session.begin(
            key=key, fingerprint=fingerprint, wait_seconds=self._settings.sessions.wait_seconds
        )
        if given["status"] == "answered":
            return await self._replay(scope, session_id, session, given, stream=message.stream)
        exchange = Exchange(
            scope, session_id, session, message, number=int(given["turn"]), key=key, fingerprint=fingerprint
        )
        try:
            if given["index_due"]:
                await session.renew()
            await exchange.open(given)
            body = exchange.body()
            answer = await self._chat.answer(scope, body, cached=False)
            if message.stream:
                limit = self._settings.sessions.history_bytes
                stream = SessionStream(
                    scope,
                    answer,
                    exchange.finish,
                    session.release,
                    lambda result: count(scope, "message", result),
                    limit_bytes=limit,
                )
                return Response(status=200, headers=answer.headers | NO_STORE, body=stream.events())
            assert isinstance(answer.body, bytes)
            content = await exchange.finish(self._said(answer.body))
        except BaseException:
            session.release()
            raise
        return json_response(200, content, NO_STORE)

    def _said(self, body: bytes) -> Said:
        """What stands in a canonical answer. Raises `UpstreamBadAnswer` where it is too long to be kept."""
        document = strict_json.load_object(body) or {}
        choices = document.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        spoken = choice.get("message")
        text = spoken.get("content") or spoken.get("refusal") if isinstance(spoken, dict) else None
        text = text if isinstance(text, str) else ""
        limit = self._settings.sessions.history_bytes
        if len(text.encode("utf-8", "replace")) > limit:
            raise UpstreamBadAnswer("the model", f"it is longer than the {limit} bytes that a session keeps")
        reason = choice.get("finish_reason")
        return Said(text=text, finish_reason=reason if isinstance(reason, str) else "")

    async def _replay(
        self,
        scope: Scope,
        session_id: str,
        session: SessionClient,
        given: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Response:
        """The answer that was given to the same message before."""
        number = int(given["turn"])
        part = next(part for n, part in given["turns"] if int(n) == number)
        turn = decode_turn(await session.vault.open("turn", number, part))
        base, code = [await _kept_version(session, wanted) for wanted in (turn.base, turn.version)]
        content = reply(session_id, turn, base=base, code=code, replayed=True)
        count(scope, "replay", "ok")
        if stream:
            return replayed_stream(content, NO_STORE)
        return json_response(200, content, NO_STORE)


async def _kept_version(session: SessionClient, number: int) -> Version | None:
    if not number:
        return None
    found = await session.read(number)
    return None if found["code"] is None else await open_version(session, number, found["code"])


def _idempotency(scope: Scope, session_id: str, body: bytes) -> tuple[str, str]:
    """Digests of the `idempotency-key` header and of the body; the key is empty where there is none."""
    key = scope.headers.get("idempotency-key", "")
    if len(key) > KEY_CHARS:
        raise InvalidRequest(f"must have at most {KEY_CHARS} characters", param="idempotency-key")
    if not key:
        return "", ""
    return keyed(session_id, key), keyed(session_id, body.decode("utf-8", "replace"))
