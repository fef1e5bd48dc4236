"""The routes of coding sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lumigate.api.chat import ChatCompletions
from lumigate.api.session_messages import SessionMessages
from lumigate.api.sessions import Sessions
from lumigate.config import Settings
from lumigate.http.routing import Endpoint
from lumigate.http.types import Response
from lumigate.llm.router import Router
from lumigate.scope import Scope

type Handler = Callable[[Scope], Awaitable[Response]]


def session_routes(
    settings: Settings, chat: ChatCompletions, router: Router
) -> dict[tuple[str, str], Endpoint[Handler]]:
    """For the gateway's table."""
    sessions = Sessions(settings, router)
    handlers: dict[tuple[str, str], Handler] = {
        ("POST", "/sessions"): sessions.create,
        ("GET", "/sessions/{id}"): sessions.show,
        ("DELETE", "/sessions/{id}"): sessions.delete,
        ("GET", "/sessions/{id}/code"): sessions.code,
        ("POST", "/sessions/{id}/messages"): SessionMessages(settings, chat, router),
    }
    return {where: Endpoint(template=where[1], handler=handler) for where, handler in handlers.items()}
