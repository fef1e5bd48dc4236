"""The wide event: one JSON line a request on the console, and a log record over OTLP, by setting."""

from __future__ import annotations

from lumigate.telemetry.schema import EventField, LogEvent

WIDE_EVENT: tuple[EventField, ...] = (
    EventField(name="event", description="`request`, `cron` or `import_failure`."),
    EventField(name="time", description="Arrival, RFC 3339, UTC."),
    EventField(
        name="level", description="`info`; `warn` for upstream errors and aborts, `error` for our own."
    ),
    EventField(name="trace_id", description="The trace, kept or not."),
    EventField(name="span_id", description="The server span."),
    EventField(name="trace_kept", description="Whether the trace was kept.", type=bool),
    EventField(name="request_id", description="The x-request-id header of the answer."),
    EventField(name="tenant", description="Who pays."),
    EventField(
        name="subject_hash", description="First 16 hex digits of the SHA-256 of the caller's subject."
    ),
    EventField(name="method", description="The request method."),
    EventField(name="route", description="The route's template."),
    EventField(name="status", description="The status answered; 499 if the client left first.", type=int),
    EventField(
        name="outcome", description="complete, refused, client_abort, upstream_error, truncated or error."
    ),
    EventField(name="error_code", description="The error's stable code; empty on success."),
    EventField(name="duration_ms", description="Arrival to last byte.", type=float, unit="ms"),
    EventField(name="upstream_ms", description="Waiting for providers.", type=float, unit="ms"),
    EventField(name="ttfc_ms", description="Provider call to its first event.", type=float, unit="ms"),
    EventField(name="auth_ms", description="Checking the token or key.", type=float, unit="ms"),
    EventField(name="l1_ms", description="Finding a hit in memory.", type=float, unit="ms"),
    EventField(name="route_ms", description="Choosing a provider.", type=float, unit="ms"),
    EventField(name="auth_method", description="bearer, api_key or none."),
    EventField(name="auth_reason", description="ok, or why not."),
    EventField(name="cache", description="What the cache said, as in the header x-lumigate-cache."),
    EventField(name="provider", description="Who answered."),
    EventField(name="model", description="The model asked of the provider."),
    EventField(name="model_alias", description="The model name the caller used."),
    EventField(name="attempts", description="Model calls made.", type=int),
    EventField(name="fallbacks", description="Candidates left for the next.", type=int),
    EventField(name="stream", description="Whether the answer was a stream.", type=bool),
    EventField(name="input_tokens", description="Tokens in the prompt.", type=int, unit="{token}"),
    EventField(name="output_tokens", description="Tokens in the answer.", type=int, unit="{token}"),
    EventField(
        name="cache_read_tokens",
        description="Of the prompt, read from the provider's cache.",
        type=int,
        unit="{token}",
    ),
    EventField(
        name="reasoning_tokens", description="Of the answer, spent on reasoning.", type=int, unit="{token}"
    ),
    EventField(name="cost_usd", description="What the request cost.", type=float, unit="{USD}"),
    EventField(name="cost_estimated", description="Whether tokens had to be estimated.", type=bool),
    EventField(
        name="conversation_id", description="The session: 16 hex digits that do not lead back to its id."
    ),
    EventField(name="tenant_class", description="The class of the tenant, by the settings."),
    EventField(name="request_bytes", description="Size of the request's body.", type=int, unit="By"),
    EventField(name="response_bytes", description="Size of the answer's body.", type=int, unit="By"),
    EventField(name="region", description="The region that the data must stay in; empty for none."),
    EventField(name="country", description="The caller's country."),
    EventField(name="colo", description="The data centre."),
    EventField(name="environment", description="deployment.environment.name."),
    EventField(name="version", description="service.version."),
    EventField(name="module", description="The module that could not be imported (import_failure only)."),
)
WIDE_EVENT_ATTRIBUTES: tuple[str, ...] = tuple(
    field.name for field in WIDE_EVENT if field.name not in {"time", "trace_id", "span_id"}
)
"""The fields that are attributes of the log record. It has places of its own for the others."""
REQUEST_EVENT = LogEvent(
    name="lumigate.request",
    description="The wide event of a request. Its attributes are the fields [below](#the-wide-event) that have a "
    "value, by the same names; `time`, `trace_id` and `span_id` are the record's own.",
)
CRON_EVENT = LogEvent(name="lumigate.cron", description="The wide event of a cron run, likewise.")
IMPORT_FAILURE_EVENT = LogEvent(
    name="lumigate.import_failure", description="The wide event of a module that is missing, likewise."
)
