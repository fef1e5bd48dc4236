"""The admin routes, for the table of the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from lumigate.api.admin_keys import AdminKeys
from lumigate.api.admin_revocations import AddRevocation, list_revocations
from lumigate.auth.authenticator import Authenticator
from lumigate.auth.settings import AuthSettings
from lumigate.http.routing import Endpoint
from lumigate.http.types import Response
from lumigate.scope import Scope

type Handler = Callable[[Scope], Awaitable[Response]]


def admin_routes(
    authenticator: Authenticator, settings: AuthSettings
) -> Mapping[tuple[str, str], Endpoint[Handler]]:
    """Method and path to handler."""
    keys = AdminKeys(authenticator.api_keys)
    issuers = tuple(issuer.issuer for issuer in settings.issuers)
    handlers: dict[tuple[str, str], Handler] = {
        ("POST", "/admin/revocations"): AddRevocation(authenticator.revocations, issuers),
        ("GET", "/admin/revocations"): list_revocations,
        ("POST", "/admin/keys"): keys.create,
        ("GET", "/admin/keys"): keys.list,
        ("POST", "/admin/keys/revoke"): keys.revoke,
        ("POST", "/admin/keys/rotate"): keys.rotate,
    }
    return {
        (method, path): Endpoint(template=path, handler=handler)
        for (method, path), handler in handlers.items()
    }
