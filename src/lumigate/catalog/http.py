"""Attributes by the names of OpenTelemetry's HTTP semantic conventions."""

from __future__ import annotations

from lumigate.telemetry.schema import Attribute

HTTP_METHOD = Attribute(
    key="http.request.method",
    description="The request method.",
    values=frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "_OTHER"}),
)
HTTP_ROUTE = Attribute(
    key="http.route",
    description="The route's template; empty where none matched.",
    values=frozenset(
        {
            "/health",
            "/metrics",
            "/v1/chat/completions",
            "/v1/messages",
            "/v1/embeddings",
            "/v1/models",
            "/v1/models/{model}",
            "/v1/usage",
            "/sessions",
            "/sessions/{id}",
            "/sessions/{id}/messages",
            "/sessions/{id}/code",
            "/admin/cache",
            "/admin/cache/purge",
            "/admin/subjects/{subject}",
            "/admin/revocations",
            "/admin/keys",
            "/admin/providers",
            "/admin/keys/revoke",
            "/admin/keys/rotate",
            "",
        }
    ),
)
HTTP_STATUS = Attribute(
    key="http.response.status_code", description="The status that was answered.", type=int
)
ERROR_TYPE = Attribute(key="error.type", description="The error's stable code; absent on success.")
