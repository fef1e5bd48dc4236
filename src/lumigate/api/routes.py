"""Every route, and what answers there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from lumigate.api.admin_cache import AdminCache
from lumigate.api.admin_keys import AdminKeys
from lumigate.api.admin_providers import AdminProviders
from lumigate.api.admin_revocations import AddRevocation, list_revocations
from lumigate.api.admin_subjects import SUBJECT_ROUTE, AdminSubjects
from lumigate.api.chat import ChatCompletions
from lumigate.api.embeddings import Embeddings
from lumigate.api.health import health
from lumigate.api.messages import MESSAGES_ROUTE, Messages
from lumigate.api.metrics import Metrics
from lumigate.api.models import MODEL_ROUTE, MODELS_ROUTE, Models
from lumigate.api.session_messages import SessionMessages
from lumigate.api.sessions import Sessions
from lumigate.api.usage import Usage
from lumigate.auth.authenticator import Authenticator
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.http.routing import Endpoint, RouteTable
from lumigate.http.types import Response
from lumigate.llm.router import Router
from lumigate.scope import Scope

type Handler = Callable[[Scope], Awaitable[Response]]


def route_table(
    settings: Settings, *, authenticator: Authenticator, cache: TieredCache, router: Router
) -> RouteTable[Handler]:
    """The handlers live as long as the isolate. Building them does no I/O."""
    chat = ChatCompletions(settings, cache, router)
    sessions = Sessions(settings, router)
    keys = AdminKeys(authenticator.api_keys)
    issuers = tuple(issuer.issuer for issuer in settings.auth.issuers)
    subjects = AdminSubjects(settings, cache, authenticator.api_keys)
    admin_cache = AdminCache(cache)
    providers = AdminProviders(router)
    models = Models(router)

    open_to_all: dict[tuple[str, str], Handler] = {
        ("GET", "/health"): health,
        ("GET", "/metrics"): Metrics(settings.metrics),  # has a token of its own
    }
    for_callers: dict[tuple[str, str], Handler] = {
        ("GET", "/v1/usage"): Usage(settings),
        ("GET", MODELS_ROUTE): models.list,
        ("GET", MODEL_ROUTE): models.show,
        ("POST", "/v1/chat/completions"): chat,
        ("POST", MESSAGES_ROUTE): Messages(settings, cache, router),
        ("POST", "/v1/embeddings"): Embeddings(settings, cache, router),
        ("POST", "/sessions"): sessions.create,
        ("GET", "/sessions/{id}"): sessions.show,
        ("DELETE", "/sessions/{id}"): sessions.delete,
        ("GET", "/sessions/{id}/code"): sessions.code,
        ("POST", "/sessions/{id}/messages"): SessionMessages(settings, chat, router),
    }
    for_operators: dict[tuple[str, str], Handler] = {  # `RoutePolicy` asks for the scope `admin`
        ("POST", "/admin/revocations"): AddRevocation(authenticator.revocations, issuers),
        ("GET", "/admin/revocations"): list_revocations,
        ("POST", "/admin/keys"): keys.create,
        ("GET", "/admin/keys"): keys.list,
        ("POST", "/admin/keys/revoke"): keys.revoke,
        ("POST", "/admin/keys/rotate"): keys.rotate,
        ("GET", SUBJECT_ROUTE): subjects.export,
        ("DELETE", SUBJECT_ROUTE): subjects.forget,
        ("GET", "/admin/cache"): admin_cache.stats,
        ("POST", "/admin/cache/purge"): admin_cache.purge,
        ("GET", "/admin/providers"): providers.show,
        ("POST", "/admin/providers"): providers.say,
    }
    return RouteTable(
        _endpoints(open_to_all, authenticated=False)
        | _endpoints(for_callers, authenticated=True)
        | _endpoints(for_operators, authenticated=True)
    )


def _endpoints(
    handlers: Mapping[tuple[str, str], Handler], *, authenticated: bool
) -> dict[tuple[str, str], Endpoint[Handler]]:
    """A route's path is its own template."""
    return {
        (method, path): Endpoint(template=path, handler=handler, authenticated=authenticated)
        for (method, path), handler in handlers.items()
    }
