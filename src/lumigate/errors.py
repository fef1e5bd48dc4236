"""Everything that can go wrong, split by whose fault it is: the caller's, an upstream's, or ours.

A class carries its HTTP status, OpenAI's error `type` and a stable `code`, which is also its telemetry code: low in
cardinality, never built from input. Messages are built from arguments and never contain a secret. The wire shape is
OpenAI's (https://platform.openai.com/docs/guides/error-codes), with the trace id added.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lumigate.telemetry import ConfigurationError

__all__ = ["ConfigurationError", "LumigateError"]

MAX_RETRY_SECONDS = 300


class LumigateError(Exception):
    """The root. `param` names the offending field, `headers` go out with the answer."""

    status: int = 500
    type: str = "server_error"
    code: str = "internal_error"
    is_told: bool = True
    """Whether telemetry may have the message; not where it may quote data that must stay in a region."""

    def __init__(
        self, message: str, *, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = headers or {}

    def to_body(self, trace_id: str) -> dict[str, Any]:
        """OpenAI's error object, with the trace id for whoever is asked about it."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                "trace_id": trace_id,
            }
        }


class CallerError(LumigateError):
    """The request is at fault; sending it again unchanged will fail again."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class InvalidJson(CallerError):
    code = "invalid_json"

    def __init__(self, detail: str) -> None:
        super().__init__(f"The request body is not valid JSON: {detail}")


class InvalidRequest(CallerError):
    code = "invalid_request"

    def __init__(self, problem: str, param: str | None = None) -> None:
        super().__init__(f"{param}: {problem}" if param else problem, param=param)


class BodyTooLarge(CallerError):
    status = 413
    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request body is larger than {limit_bytes} bytes.")


class UnsupportedMediaType(CallerError):
    status = 415
    code = "unsupported_media_type"

    def __init__(self) -> None:
        super().__init__("The request body must be sent as application/json.")


class UnknownRoute(CallerError):
    status = 404
    code = "unknown_route"

    def __init__(self) -> None:
        super().__init__("There is no such route. See GET /v1/models and POST /v1/chat/completions.")


class MethodNotAllowed(CallerError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        names = ", ".join(allowed)
        super().__init__(f"This route answers to {names} only.", headers={"allow": names})


class UnknownModel(CallerError):
    status = 404
    code = "model_not_found"

    def __init__(self, model: str, closest: tuple[str, ...]) -> None:
        hint = f" Did you mean {' or '.join(closest)}?" if closest else " GET /v1/models lists what there is."
        super().__init__(f"The model '{model[:100]}' does not exist here.{hint}", param="model")


class UnsupportedByProvider(CallerError):
    """The request asks a provider for what it cannot do; another behind the same name might."""

    code = "unsupported_by_provider"

    def __init__(self, provider: str, what: str, param: str | None = None) -> None:
        super().__init__(f"{provider} cannot do this: {what}.", param=param)
        self.provider = provider


class GeoDenied(CallerError):
    """The geographic policy leaves nobody who may answer this caller."""

    status = 403
    type = "permission_error"
    code = "geo_denied"

    def __init__(self, country: str) -> None:
        where = f"from {country[:2]}" if country else "whose country is not known"
        super().__init__(f"The geographic policy allows no answer to a caller {where}.")


class CostCeilingExceeded(CallerError):
    """The request could cost more than one request may."""

    code = "cost_ceiling_exceeded"

    def __init__(self, bound_usd: float, ceiling_usd: float) -> None:
        super().__init__(
            f"This request could cost up to {bound_usd:.4f} USD, and one request may cost {ceiling_usd:g} USD: "
            "shorten the prompt or lower max_tokens.",
            param="max_tokens",
        )


class Unauthenticated(CallerError):
    """No token, or one that does not hold. `reason` is from the catalog's closed set and goes to telemetry."""

    status = 401
    type = "authentication_error"
    code = "invalid_token"

    MESSAGES: ClassVar[dict[str, str]] = {
        "missing": "No credentials. Send 'authorization: Bearer …'.",
        "malformed": "The token is not a well-formed JSON Web Token.",
        "unsupported_algorithm": "The token's algorithm is not accepted here.",
        "unknown_key": "The token was signed by a key that its issuer does not publish.",
        "bad_signature": "The token's signature does not hold.",
        "expired": "The token has expired.",
        "not_yet_valid": "The token is not valid yet.",
        "wrong_issuer": "The token was issued by someone else.",
        "wrong_audience": "The token is meant for another audience.",
        "wrong_party": "The token was issued to another party.",
        "wrong_type": "The token is of a type that gives no access.",
        "lifetime_too_long": "The token is valid for longer than is accepted here.",
        "revoked": "The token has been revoked.",
        "unknown_api_key": "The API key is not known here.",
        "api_key_malformed": "The API key has a character wrong, or was cut short.",
        "api_key_expired": "The API key has expired.",
        "api_key_revoked": "The API key has been revoked.",
        "keys_unavailable": "The issuer's keys cannot be fetched right now; try again shortly.",
        "store_unavailable": "The credentials cannot be checked right now; try again shortly.",
    }

    _CODES: ClassVar[dict[str, str]] = {
        "unknown_api_key": "invalid_api_key",
        "api_key_malformed": "invalid_api_key",
        "api_key_expired": "api_key_expired",
        "api_key_revoked": "api_key_revoked",
    }

    def __init__(self, reason: str) -> None:
        super().__init__(self.MESSAGES[reason], headers={"www-authenticate": self._challenge(reason)})
        self.reason = reason
        self.code = self._CODES.get(reason, f"token_{reason}")

    @staticmethod
    def _challenge(reason: str) -> str:
        """RFC 6750, section 3: no error code when no credentials were sent."""
        return (
            "Bearer" if reason == "missing" else f'Bearer error="invalid_token", error_description="{reason}"'
        )


class KeysUnavailable(Unauthenticated):
    """The token could not be checked, which is not the caller's fault: 503, so that clients try again."""

    status = 503
    type = "server_error"
    code = "keys_unavailable"

    def __init__(self) -> None:
        super().__init__("keys_unavailable")
        self.code = "keys_unavailable"
        self.headers = {"retry-after": "5"}


class CredentialStoreUnavailable(KeysUnavailable):
    """The store that knows API keys and revoked tokens did not answer."""

    code = "store_unavailable"

    def __init__(self) -> None:
        Unauthenticated.__init__(self, "store_unavailable")
        self.code = "store_unavailable"
        self.headers = {"retry-after": "5"}


class MissingScope(CallerError):
    """The caller is known, and may not do this (RFC 6750, section 3.1). The scopes are those of the settings."""

    status = 403
    type = "permission_error"
    code = "missing_scope"

    def __init__(self, on: str, scopes: tuple[str, ...]) -> None:
        names = " ".join(scopes)
        super().__init__(
            f"This {on} asks for a scope that the credential does not carry: {names}.",
            param="model" if on == "model" else None,
            headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{names}"'},
        )


class UnknownApiKeyId(CallerError):
    """An admin route was asked about a key that there is not, or that is over."""

    status = 404
    code = "unknown_api_key_id"

    def __init__(self) -> None:
        super().__init__("There is no active API key of this id. GET /admin/keys lists them.", param="id")


class PersonalDataRefused(CallerError):
    """The deployment's policy lets no personal data out. The message names kinds, never values."""

    code = "personal_data"

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__(
            f"The request holds personal data ({', '.join(kinds)}), which may not be sent on from here."
        )


class RateLimited(CallerError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limited"

    def __init__(self, retry_after_seconds: int | None, why: str = "") -> None:
        """`why` says which limit it was; None seconds: a limit that lets nothing through."""
        said = f"Too many requests: {why}." if why else "Too many requests."
        super().__init__(said + again_in(retry_after_seconds), headers=retry_headers(retry_after_seconds))


class TokensLimited(CallerError):
    """The tenant's tokens a minute are used up, or the request alone may need more than that."""

    status = 429
    type = "rate_limit_error"
    code = "tokens_limited"

    def __init__(self, needed: int, limit: int, retry_after_seconds: int | None) -> None:
        said = f"This request may use {needed} tokens, and the limit is {limit} a minute"
        what = "." if retry_after_seconds else ": shorten the prompt or lower max_tokens."
        super().__init__(
            said + what + again_in(retry_after_seconds),
            param=None if retry_after_seconds else "max_tokens",
            headers=retry_headers(retry_after_seconds),
        )


class BudgetExceeded(CallerError):
    """The tenant's money for the day or the month is spent, or what is left is less than the request may cost."""

    status = 429
    type = "insufficient_quota"
    code = "budget_exceeded"

    def __init__(
        self,
        *,
        period: str,
        budget_usd: float,
        left_usd: float,
        needed_usd: float,
        retry_after_seconds: int | None,
    ) -> None:
        super().__init__(
            f"The budget of the {period} is {budget_usd:g} USD, {left_usd:.4f} of it are left, and this request may "
            f"cost {needed_usd:.4f}." + again_in(retry_after_seconds),
            headers=retry_headers(retry_after_seconds),
        )


def again_in(seconds: int | None) -> str:
    """When to come again, for a message."""
    return "" if seconds is None else f" Try again in {seconds} s."


def retry_headers(seconds: int | None) -> dict[str, str]:
    """For whom a limit keeps out. Official clients obey `x-should-retry`: no use in coming back within the hour."""
    headers = {} if seconds is None else {"retry-after": str(seconds)}
    return (
        headers
        if seconds is not None and seconds <= MAX_RETRY_SECONDS
        else headers | {"x-should-retry": "false"}
    )


class LimitsUnavailable(LumigateError):
    """A limit that must hold cannot be checked, and the deployment prefers refusing to guessing."""

    status = 503
    code = "limits_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The limits cannot be checked right now; try again shortly.", headers={"retry-after": "5"}
        )


class ClientGone(CallerError):
    """The client hung up before an answer; nobody reads this one (nginx's 499)."""

    status = 499
    code = "client_abort"

    def __init__(self) -> None:
        super().__init__("The client closed the connection.")


class UpstreamError(LumigateError):
    """A provider failed us; sending the request again may work."""

    status = 502
    type = "upstream_error"
    code = "upstream_error"


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"

    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(f"{provider} did not answer within {seconds:g} s.")


class UpstreamUnreachable(UpstreamError):
    code = "upstream_unreachable"

    def __init__(self, provider: str) -> None:
        super().__init__(f"The connection to {provider} failed.")


class UpstreamBadAnswer(UpstreamError):
    code = "upstream_bad_answer"

    def __init__(self, provider: str, problem: str) -> None:
        super().__init__(f"{provider} sent an answer that cannot be used: {problem}.")


class UpstreamFailed(UpstreamError):
    """The provider said 5xx, or refused *our* credentials, which is not the caller's business."""

    code = "upstream_failed"

    def __init__(self, provider: str, status: int) -> None:
        super().__init__(f"{provider} answered {status}.")
        self.upstream_status = status


class UpstreamRateLimited(UpstreamError):
    status = 429
    type = "rate_limit_error"
    code = "upstream_rate_limited"

    def __init__(self, provider: str, retry_after: str | None) -> None:
        headers = {"retry-after": retry_after} if retry_after else {}
        super().__init__(f"{provider} is limiting our rate.", headers=headers)


class UpstreamRefused(UpstreamError):
    """The provider found the request itself at fault (a 4xx): its message is the caller's to read."""

    type = "invalid_request_error"
    code = "upstream_refused"

    def __init__(self, provider: str, status: int, message: str, param: str | None) -> None:
        super().__init__(f"{provider} refused the request: {message}", param=param)
        self.status = status


class ShardsUnavailable(LumigateError):
    """No counter shard answered a scrape."""

    status = 503
    code = "shards_unavailable"

    def __init__(self) -> None:
        super().__init__("The counter shards do not answer right now.", headers={"retry-after": "5"})


class AdminStoreUnavailable(LumigateError):
    """An admin route cannot read or write what it is about."""

    status = 503
    code = "admin_store_unavailable"

    def __init__(self) -> None:
        super().__init__("The store does not answer right now.", headers={"retry-after": "5"})


class NotConfigured(LumigateError):
    """The deployment lacks what this route needs."""

    status = 501
    code = "not_configured"

    def __init__(self, setting: str) -> None:
        super().__init__(f"This deployment has no {setting}.")


class InternalError(LumigateError):
    """Our own fault. The message tells nothing; the trace does."""

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side. Quote the trace id when you report it.")


class ImportFailed(LumigateError):
    """A module that the code asked for is not in the bundle."""

    status = 500
    code = "import_failed"

    def __init__(self, module: str) -> None:
        super().__init__(
            "The deployment is incomplete: a module is missing. Quote the trace id when you report it."
        )
        self.module = module
