"""The last step of a request's life: what a refusal looks like, and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator

from lumigate.api.messages import MESSAGES_ROUTE
from lumigate.api.models import MODEL_ROUTE, MODELS_ROUTE
from lumigate.errors import CallerError, KeysUnavailable, LumigateError, UpstreamError, UpstreamRefused
from lumigate.http.cors import Cors
from lumigate.http.security import SecurityHeaders
from lumigate.http.types import Response, json_response
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT, VERSION_HEADER
from lumigate.scope import Scope

_NOBODYS_ROUTES = frozenset({"", MODELS_ROUTE, MODEL_ROUTE})
"""Those that both kinds of clients ask, and what is no route."""


class Answers:
    """One an isolate."""

    def __init__(self, cors: Cors, security: SecurityHeaders) -> None:
        self._cors = cors
        self._security = security

    def finish(self, scope: Scope, response: Response) -> Response:
        """Add the headers that every answer carries; finish, unless a stream will do so at its end."""
        facts = scope.facts
        context = scope.span.get_span_context()
        response.headers |= {
            **scope.limit_headers,
            "x-request-id": facts.request_id,
            "traceresponse": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
            "x-lumigate-cache": facts.cache,
            "x-lumigate-attempts": str(facts.attempts),
        }
        self._security.add(response.headers)
        self._cors.add(scope.request, response.headers)
        if facts.provider:
            response.headers["x-lumigate-provider"] = facts.provider
        if isinstance(response.body, AsyncIterator):
            return response
        facts.response_bytes = len(response.body)
        scope.finish(response.status, facts.outcome or "complete", facts.error_code)
        return response


def refusal(scope: Scope, error: LumigateError) -> Response:
    """The error as the caller's client reads it, with the trace id; its code and outcome go to telemetry."""
    scope.facts.error_code = error.code
    scope.facts.outcome = outcome_of(error)
    if _is_for_anthropics_client(scope):
        body = ANTHROPIC_DIALECT.error_body(error, scope.trace_id)
        return json_response(error.status, body, error.headers | {"request-id": scope.facts.request_id})
    return json_response(error.status, error.to_body(scope.trace_id), error.headers)


def _is_for_anthropics_client(scope: Scope) -> bool:
    """Whether who asks reads errors in Anthropic's shape: at their door, beyond it, and where doors have no owner."""
    if scope.facts.route == MESSAGES_ROUTE:
        return True
    if scope.facts.route in _NOBODYS_ROUTES:
        return VERSION_HEADER in scope.headers or scope.request.path.startswith(f"{MESSAGES_ROUTE}/")
    return False


def outcome_of(error: LumigateError) -> str:
    """Whose fault a refusal is, in the catalog's words."""
    if isinstance(error, KeysUnavailable):  # not the caller's, nor a provider's: no model was asked
        return "error"
    if isinstance(error, CallerError | UpstreamRefused):
        return "refused"
    return "upstream_error" if isinstance(error, UpstreamError) else "error"
