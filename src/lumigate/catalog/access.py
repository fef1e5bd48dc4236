"""Who calls and how often: token and key checks, key sets, rate limits. There is no convention for these."""

from __future__ import annotations

from lumigate.catalog.http import ERROR_TYPE, HTTP_STATUS
from lumigate.catalog.scales import STEP_SECONDS
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

AUTH_METHOD = Attribute(
    key="lumigate.auth.method",
    description="What the caller showed.",
    values=frozenset({"bearer", "api_key", "none"}),
)
AUTH_RESULT = Attribute(
    key="lumigate.auth.result",
    description="What came of the check.",
    values=frozenset({"allowed", "denied"}),
)
AUTH_REASON = Attribute(
    key="lumigate.auth.reason",
    description="Why; `ok` when allowed.",
    values=frozenset(
        {
            "ok",
            "missing",
            "malformed",
            "unsupported_algorithm",
            "unknown_key",
            "bad_signature",
            "expired",
            "not_yet_valid",
            "wrong_issuer",
            "wrong_audience",
            "wrong_party",
            "wrong_type",
            "lifetime_too_long",
            "revoked",
            "unknown_api_key",
            "api_key_malformed",
            "api_key_expired",
            "api_key_revoked",
            "keys_unavailable",
            "store_unavailable",
        }
    ),
)
KEY_SET_RESULT = Attribute(
    key="lumigate.key_set.result",
    description="What fetching the issuer's keys gave.",
    values=frozenset(
        {
            "ok",
            "timeout",
            "connection",
            "bad_status",
            "bad_content",
            "too_large",
            "duplicate_key",
            "no_usable_key",
        }
    ),
)
REVOCATION_RESULT = Attribute(
    key="lumigate.revocation.result",
    description="What the deny list said; `unavailable` lets the token pass or not, by setting.",
    values=frozenset({"clear", "revoked", "unavailable"}),
)
POLICY_ON = Attribute(
    key="lumigate.policy.on",
    description="What asked for a scope.",
    values=frozenset({"route", "model"}),
)
POLICY_RESULT = Attribute(
    key="lumigate.policy.result",
    description="Whether the caller has the scopes that were asked for.",
    values=frozenset({"allowed", "missing_scope"}),
)
LIMIT_RESULT = Attribute(
    key="lumigate.rate_limit.result",
    description="What the limiter said; `unavailable` passes or is refused, by setting.",
    values=frozenset({"allowed", "limited", "unavailable"}),
)
AUTH_CHECKS = Metric(
    name="lumigate.auth.checks",
    unit="{check}",
    kind=InstrumentKind.COUNTER,
    description="Token and key checks by reason.",
    attributes=(AUTH_METHOD, AUTH_RESULT, AUTH_REASON),
)
AUTH_DURATION = Metric(
    name="lumigate.auth.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time a token or key check took, fetching keys included.",
    attributes=(AUTH_METHOD, AUTH_RESULT),
    buckets=STEP_SECONDS,
)
KEY_SET_FETCHES = Metric(
    name="lumigate.key_set.fetches",
    unit="{fetch}",
    kind=InstrumentKind.COUNTER,
    description="Fetches of an issuer's key set by result.",
    attributes=(KEY_SET_RESULT,),
)
REVOCATION_CHECKS = Metric(
    name="lumigate.revocation.checks",
    unit="{check}",
    kind=InstrumentKind.COUNTER,
    description="Tokens that were looked for in the deny list.",
    attributes=(REVOCATION_RESULT,),
)
POLICY_DECISIONS = Metric(
    name="lumigate.policy.decisions",
    unit="{decision}",
    kind=InstrumentKind.COUNTER,
    description="Decisions on callers who were let in, where a route or a model asks for scopes.",
    attributes=(POLICY_ON, POLICY_RESULT),
)
LIMIT_WALL = Attribute(
    key="lumigate.rate_limit.wall",
    description="Whom it was asked about: the address, before anything is known of the caller, or the key or subject.",
    values=frozenset({"address", "key"}),
)
RATE_LIMIT_DECISIONS = Metric(
    name="lumigate.rate_limit.decisions",
    unit="{decision}",
    kind=InstrumentKind.COUNTER,
    description="Decisions of the rate limiter.",
    attributes=(LIMIT_WALL, LIMIT_RESULT),
)
AUTH_SPAN = SpanType(
    name="auth.check",
    kind="internal",
    description="Who is calling, and may they.",
    attributes=(AUTH_METHOD, AUTH_RESULT, AUTH_REASON),
)
KEY_SET_SPAN = SpanType(
    name="auth.keys.fetch",
    kind="client",
    description="Fetching the issuer's key set.",
    attributes=(KEY_SET_RESULT, HTTP_STATUS, ERROR_TYPE),
)
RATE_LIMIT_SPAN = SpanType(
    name="rate_limit.check",
    kind="internal",
    description="Asking the rate limiter.",
    attributes=(LIMIT_WALL, LIMIT_RESULT),
)
