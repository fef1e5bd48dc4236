"""Sessions: made, shown, their code, and deleted. Messages are in `session_messages`.

Every answer is JSON, code included: what a model wrote is data here, never a page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from lumigate.api.session_bodies import NewSession, validated
from lumigate.config import Settings
from lumigate.errors import CallerError, InvalidRequest, LumigateError, Unauthenticated
from lumigate.http.body import parse_json_object, read_json_bytes
from lumigate.http.paths import parameter
from lumigate.http.types import Response, json_response
from lumigate.llm.router import Router
from lumigate.scope import Scope
from lumigate.sessions.client import SessionClient, called, index_of
from lumigate.sessions.contents import described, open_version
from lumigate.sessions.documents import Head, encode
from lumigate.sessions.errors import (
    SessionBusy,
    SessionNotFound,
    TooManySessions,
    TurnLost,
    VersionNotFound,
)
from lumigate.sessions.ids import is_session_id, new_session_id, object_name, owner_of

NO_STORE = {"cache-control": "no-store"}
_RESULTS = {
    SessionNotFound: "not_found",
    VersionNotFound: "not_found",
    SessionBusy: "busy",
    TurnLost: "turn_lost",
}


class Sessions:
    """The handlers of everything but messages. One an isolate."""

    def __init__(self, settings: Settings, router: Router) -> None:
        self._settings = settings
        self._router = router

    async def create(self, scope: Scope) -> Response:
        """POST /sessions."""
        return await counted(scope, "create", self._create)

    async def show(self, scope: Scope) -> Response:
        """GET /sessions/{id}."""
        return await counted(scope, "read", self._show)

    async def code(self, scope: Scope) -> Response:
        """GET /sessions/{id}/code."""
        return await counted(scope, "code", self._code)

    async def delete(self, scope: Scope) -> Response:
        """DELETE /sessions/{id}."""
        return await counted(scope, "delete", self._delete)

    async def _create(self, scope: Scope) -> Response:
        limit_bytes = min(self._settings.max_body_bytes, self._settings.sessions.message_bytes)
        raw = await read_json_bytes(scope, limit_bytes)
        body = validated(NewSession, parse_json_object(raw) if raw else {})
        if body.model is not None:
            self._router.policy(body.model, scope.facts.country)  # raises for a name that is not there
        session_id = new_session_id(scope.ports.entropy)
        session = open_session(scope, self._settings, session_id)
        index = index_of(scope, owner(scope))
        # The index first: a session that is not in it could not be forgotten.
        added = await called(scope, "index", lambda: index.add({"name": session.name}))
        if added["status"] == "full":
            raise TooManySessions(self._settings.sessions.per_subject)
        made = await session.create(encode(Head(system=body.system, model=body.model or "")))
        content = {
            "object": "session",
            "id": session_id,
            "created": made["created_ms"] // 1000,
            "expires_at": made["expires_ms"] // 1000,
            "model": body.model,
        }
        return json_response(201, content, NO_STORE | {"location": f"/sessions/{session_id}"})

    async def _show(self, scope: Scope) -> Response:
        session_id, session = named_session(scope, self._settings)
        return json_response(200, {"id": session_id, **await described(session)}, NO_STORE)

    async def _code(self, scope: Scope) -> Response:
        session_id, session = named_session(scope, self._settings)
        wanted = _version(scope.request.query)
        found = await session.read(wanted)
        kept = tuple(found["versions"])
        if found["code"] is None:
            raise VersionNotFound(kept)
        code = await open_version(session, int(found["version"]), found["code"])
        content = {"object": "session.code", "session": session_id, **code.to_document(), "versions": kept}
        return json_response(200, content, NO_STORE)

    async def _delete(self, scope: Scope) -> Response:
        session_id, session = named_session(scope, self._settings)
        removed = await session.remove()
        index = index_of(scope, owner(scope))
        await called(scope, "index", lambda: index.drop({"names": [session.name]}))
        content = {"object": "session.deleted", "id": session_id, "deleted": True}
        return json_response(200, content | {what: removed[what] for what in ("turns", "versions")})


def owner(scope: Scope) -> str:
    """Whose sessions the caller may see."""
    caller = scope.caller
    if caller is None:
        raise Unauthenticated("missing")
    return owner_of(caller.tenant, caller.subject)


def open_session(scope: Scope, settings: Settings, session_id: str) -> SessionClient:
    """The caller's hand on a session; the request's telemetry carries its public id from now on."""
    name = object_name(session_id)
    session = SessionClient(scope, settings.sealing_keys, owner=owner(scope), name=name)
    scope.facts.conversation_id = session.public_id
    scope.span.set_attribute("gen_ai.conversation.id", session.public_id)
    return session


def named_session(scope: Scope, settings: Settings) -> tuple[str, SessionClient]:
    """The session in the request's path. Raises `SessionNotFound` for what cannot be an id."""
    session_id = parameter(scope.facts.route, scope.request.path, "id")
    if not is_session_id(session_id):
        raise SessionNotFound
    return session_id, open_session(scope, settings, session_id)


async def counted(scope: Scope, operation: str, handle: Callable[[Scope], Awaitable[Response]]) -> Response:
    """Handle a request and count how that went; what ends later is counted by whoever sees its end."""
    try:
        response = await handle(scope)
    except LumigateError as error:
        fault = "refused" if isinstance(error, CallerError) else "failed"
        count(scope, operation, _RESULTS.get(type(error), fault))
        raise
    if isinstance(response.body, bytes):
        count(scope, operation, "ok")
    return response


def count(scope: Scope, operation: str, result: str) -> None:
    labels = {"lumigate.session.operation": operation, "lumigate.session.result": result}
    scope.instruments.session_operations.add(1, labels)


def _version(query: str) -> int:
    """The version asked for; 0 is the last."""
    given = parse_qs(query, keep_blank_values=True).get("version") if len(query) < 1000 else ["?"]
    if not given:
        return 0
    text = given[-1]
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0):
        raise InvalidRequest("must be a whole number, at least 1", param="version")
    return int(text)
