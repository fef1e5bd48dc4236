from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lumigate import errors
from lumigate.errors import (
    AdminStoreUnavailable,
    BodyTooLarge,
    BudgetExceeded,
    CallerError,
    ClientGone,
    ConfigurationError,
    CostCeilingExceeded,
    CredentialStoreUnavailable,
    GeoDenied,
    ImportFailed,
    InternalError,
    InvalidJson,
    InvalidRequest,
    KeysUnavailable,
    LimitsUnavailable,
    LumigateError,
    MethodNotAllowed,
    MissingScope,
    NoRoomForBody,
    NotConfigured,
    PersonalDataRefused,
    RateLimited,
    ShardsUnavailable,
    TokensLimited,
    Unauthenticated,
    UnknownApiKeyId,
    UnknownModel,
    UnknownRoute,
    UnsupportedByProvider,
    UnsupportedMediaType,
    UpstreamBadAnswer,
    UpstreamError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
REQUEST, AUTH, LIMIT, UPSTREAM, SERVER = (
    "invalid_request_error",
    "authentication_error",
    "rate_limit_error",
    "upstream_error",
    "server_error",
)

OVER_BUDGET = BudgetExceeded(
    period="day", budget_usd=5, left_usd=0.01, needed_usd=0.02, retry_after_seconds=7200
)

TABLE: list[tuple[LumigateError, int, str, str]] = [
    (InvalidJson("half"), 400, REQUEST, "invalid_json"),
    (InvalidRequest("is wrong", "model"), 400, REQUEST, "invalid_request"),
    (BodyTooLarge(10), 413, REQUEST, "body_too_large"),
    (UnsupportedMediaType(), 415, REQUEST, "unsupported_media_type"),
    (UnknownRoute(), 404, REQUEST, "unknown_route"),
    (MethodNotAllowed(("GET", "HEAD")), 405, REQUEST, "method_not_allowed"),
    (UnknownModel("gpt", ("gpt-4",)), 404, REQUEST, "model_not_found"),
    (UnsupportedByProvider("cohere", "the parameter 'n'", "n"), 400, REQUEST, "unsupported_by_provider"),
    (CostCeilingExceeded(2.5, 1.0), 400, REQUEST, "cost_ceiling_exceeded"),
    (GeoDenied("US"), 403, "permission_error", "geo_denied"),
    *(
        (Unauthenticated(reason), 401, AUTH, f"token_{reason}")
        for reason in Unauthenticated.MESSAGES
        if "api_key" not in reason
    ),
    (Unauthenticated("api_key_expired"), 401, AUTH, "api_key_expired"),
    (Unauthenticated("api_key_revoked"), 401, AUTH, "api_key_revoked"),
    (CredentialStoreUnavailable(), 503, SERVER, "store_unavailable"),
    (MissingScope("model", ("premium",)), 403, "permission_error", "missing_scope"),
    (UnknownApiKeyId(), 404, REQUEST, "unknown_api_key_id"),
    (AdminStoreUnavailable(), 503, SERVER, "admin_store_unavailable"),
    (NotConfigured("API_KEY_PEPPER"), 501, SERVER, "not_configured"),
    (Unauthenticated("unknown_api_key"), 401, AUTH, "invalid_api_key"),
    (KeysUnavailable(), 503, SERVER, "keys_unavailable"),
    (PersonalDataRefused(("email",)), 400, REQUEST, "personal_data"),
    (RateLimited(60), 429, LIMIT, "rate_limited"),
    (TokensLimited(5000, 1000, None), 429, LIMIT, "tokens_limited"),
    (OVER_BUDGET, 429, "insufficient_quota", "budget_exceeded"),
    (LimitsUnavailable(), 503, SERVER, "limits_unavailable"),
    (NoRoomForBody(), 503, SERVER, "no_room_for_body"),
    (ClientGone(), 499, REQUEST, "client_abort"),
    (UpstreamTimeout("openai", 60.0), 504, UPSTREAM, "upstream_timeout"),
    (UpstreamUnreachable("openai"), 502, UPSTREAM, "upstream_unreachable"),
    (UpstreamBadAnswer("openai", "it is not JSON"), 502, UPSTREAM, "upstream_bad_answer"),
    (UpstreamFailed("openai", 500), 502, UPSTREAM, "upstream_failed"),
    (UpstreamRateLimited("openai", "5"), 429, LIMIT, "upstream_rate_limited"),
    (UpstreamRefused("openai", 422, "no such field", "tools"), 422, REQUEST, "upstream_refused"),
    (ShardsUnavailable(), 503, SERVER, "shards_unavailable"),
    (InternalError(), 500, SERVER, "internal_error"),
    (ImportFailed("secret_module"), 500, SERVER, "import_failed"),
]


def classes(base: type[LumigateError] = LumigateError) -> Iterator[type[LumigateError]]:
    for derived in base.__subclasses__():
        if derived.__module__.startswith(f"{errors.__name__}."):
            yield derived
            yield from classes(derived)


@pytest.mark.parametrize(
    ("error", "status", "type_", "code"), TABLE, ids=[f"{type(e).__name__}-{code}" for e, _, _, code in TABLE]
)
def test_each_error_has_its_status_type_and_stable_code_in_openais_shape(
    error: LumigateError, status: int, type_: str, code: str
) -> None:
    assert (error.status, error.type, error.code) == (status, type_, code)
    body = error.to_body(TRACE_ID)
    assert body == {
        "error": {
            "message": str(error),
            "type": type_,
            "param": error.param,
            "code": code,
            "trace_id": TRACE_ID,
        }
    }
    assert json.loads(json.dumps(body)) == body
    assert error.message
    assert all(value.isprintable() for value in error.headers.values())


def test_the_table_above_has_every_error_that_can_be_raised() -> None:
    """Roots of the tree (a class that others derive from, for a fault) are not raised themselves."""
    roots = {CallerError, UpstreamError}
    assert {type(error) for error, *_ in TABLE} == set(classes()) - roots


def test_every_error_of_the_tree_can_be_imported_from_its_face() -> None:
    assert {error.__name__ for error in classes()} <= set(errors.__all__)


def test_codes_are_unique() -> None:
    codes = [error.code for error, *_ in TABLE if error.code != "token_keys_unavailable"]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("error", "is_callers"),
    [(error, isinstance(error, CallerError)) for error, *_ in TABLE if error.status != 503],
)
def test_a_callers_fault_is_a_4xx_and_anyone_elses_a_5xx(error: LumigateError, is_callers: bool) -> None:
    """Two answers of a provider pass as 4xx: its limit, and its refusal of the caller's own request."""
    if not isinstance(error, UpstreamRateLimited | UpstreamRefused):
        assert (400 <= error.status < 500) is is_callers


@pytest.mark.parametrize("reason", Unauthenticated.MESSAGES)
def test_a_401_carries_a_challenge(reason: str) -> None:
    challenge = Unauthenticated(reason).headers["www-authenticate"]
    assert challenge == (
        "Bearer" if reason == "missing" else f'Bearer error="invalid_token", error_description="{reason}"'
    )


def test_who_may_try_again_is_told_when() -> None:
    assert RateLimited(10).headers == {"retry-after": "10"}
    assert KeysUnavailable().headers == {"retry-after": "5"}
    assert LimitsUnavailable().headers == {"retry-after": "5"}
    assert TokensLimited(50, 100, 7).headers == {"retry-after": "7"}
    assert UpstreamRateLimited("openai", "7").headers == {"retry-after": "7"}
    assert UpstreamRateLimited("openai", None).headers == {}


def test_whom_a_limit_keeps_out_for_long_is_told_not_to_try_again() -> None:
    """The official clients obey `x-should-retry`."""
    assert OVER_BUDGET.headers == {"retry-after": "7200", "x-should-retry": "false"}
    assert "budget of the day is 5 USD" in OVER_BUDGET.message
    never = TokensLimited(5000, 1000, None)
    assert (never.headers, never.param) == ({"x-should-retry": "false"}, "max_tokens")


def test_a_wrong_field_is_named_and_an_unknown_model_gets_a_hint() -> None:
    error = InvalidRequest("Field required", "messages")
    assert (error.message, error.param) == ("messages: Field required", "messages")
    assert InvalidRequest("the body must be a JSON object").param is None
    assert "Did you mean fast or vast?" in UnknownModel("fasst", ("fast", "vast")).message
    assert "GET /v1/models" in UnknownModel("zzz", ()).message
    assert len(UnknownModel("x" * 10_000, ()).message) < 300


def test_our_own_faults_tell_the_caller_nothing() -> None:
    assert "secret_module" not in json.dumps(ImportFailed("secret_module").to_body(TRACE_ID))
    assert list(inspect.signature(InternalError).parameters) == []


def test_a_malformed_setting_is_told_by_the_same_class_everywhere() -> None:
    error: Any = ConfigurationError("MODELS", "is missing")
    assert str(error) == "MODELS: is missing"
