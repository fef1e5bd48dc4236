"""Settings, read once from the environment (wrangler vars and secrets, or the process's own) and checked as a whole.

A missing or malformed setting stops the start with one line that names it; the value of a secret is never in that
line, nor in `repr`. OpenTelemetry's own settings (`OTEL_*`) are read by `lumigate.telemetry`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from lumigate.auth.settings import AuthSettings
from lumigate.cache.settings import CacheSettings
from lumigate.errors import ConfigurationError
from lumigate.http.outbound import check_outbound
from lumigate.http.settings import HttpSettings
from lumigate.ledger.limits import TenantLimits
from lumigate.llm.capture import Capture
from lumigate.metrics_settings import MetricsSettings
from lumigate.model_table import (
    AI_GATEWAY_PATHS,
    PROVIDER_BASE_URLS,
    Country,
    CustomProvider,
    Frozen,
    HttpUrl,
    ModelRoute,
    ModelTable,
    ProviderAccess,
    RoutingWeights,
    check_provider_names,
)
from lumigate.privacy.mask import AnswerPolicy, Policy
from lumigate.privacy.sealing import KeyRing
from lumigate.sessions.settings import SessionSettings
from lumigate.setting_forms import json_if_text as _json_if_text
from lumigate.setting_forms import some_of as _some_of
from lumigate.setting_forms import split as _split
from lumigate.telemetry import TelemetryConfig

__all__ = ["PROVIDER_BASE_URLS", "ModelRoute", "ProviderAccess", "Settings", "is_setting"]


def _weights(value: Any) -> Any:
    """`latency=40,cost=30,quality=30`; one that is not named counts for nothing."""
    if not isinstance(value, str):
        return value
    pairs = [entry.partition("=") for entry in _split(value)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("is not of the form latency=40,cost=30,quality=30")
    absent: dict[str, Any] = {"latency": 0, "cost": 0, "quality": 0}
    return absent | {name.strip(): weight.strip() for name, _, weight in pairs}


Seconds = Annotated[float, Field(gt=0, le=3600)]
TenantClass = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
ByteCount = Annotated[int, Field(gt=0)]


class _Environment(Frozen):
    """The settings by the names they have in the environment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ENVIRONMENT: str = "development"
    WIDE_EVENT_SINKS: Annotated[tuple[Literal["console", "otlp"], ...], BeforeValidator(_some_of)] = (
        "console",
    )
    MODELS: Annotated[ModelTable, BeforeValidator(_json_if_text)]
    PROVIDERS: Annotated[
        dict[str, CustomProvider], BeforeValidator(_json_if_text), AfterValidator(check_provider_names)
    ] = Field(default_factory=dict)
    AI_GATEWAY_URL: HttpUrl | None = None
    AI_GATEWAY_TOKEN: SecretStr | None = None
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: Annotated[
        Capture, BeforeValidator(Capture.from_setting)
    ] = Capture.NO_CONTENT
    MAX_BODY_BYTES: ByteCount = 10 * 1024 * 1024
    MAX_ANSWER_BYTES: ByteCount = 25 * 1024 * 1024
    ROUTING_WEIGHTS: Annotated[RoutingWeights, BeforeValidator(_weights)] = RoutingWeights()
    GEO_POLICY: Literal["none", "eu-only"] = "none"
    GEO_ALLOW_COUNTRIES: Annotated[tuple[Country, ...], BeforeValidator(_split)] = ()
    GEO_DENY_COUNTRIES: Annotated[tuple[Country, ...], BeforeValidator(_split)] = ()
    RETRY_ATTEMPTS: Annotated[int, Field(ge=1, le=5)] = 2
    HEDGE_AFTER_MS: Annotated[float, Field(ge=1, le=60_000)] | None = None
    REQUEST_DEADLINE_SECONDS: Annotated[float, Field(ge=0.1, le=3600)] = 120
    MAX_REQUEST_COST_USD: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    TENANT_CLASSES: Annotated[dict[str, TenantClass], BeforeValidator(_json_if_text)] = Field(
        default_factory=dict
    )
    TENANT_REGIONS: Annotated[dict[str, Literal["eu"]], BeforeValidator(_json_if_text)] = Field(
        default_factory=dict
    )
    UPSTREAM_TIMEOUT_SECONDS: Seconds = 60
    STREAM_IDLE_SECONDS: Seconds = 30
    PRIVACY_POLICY: Policy = Policy.OFF
    PRIVACY_ANSWERS: AnswerPolicy = AnswerPolicy.OFF
    SEALING_KEYS: SecretStr | None = None
    RATE_LIMIT_PERIOD_SECONDS: Annotated[int, Field(ge=1, le=3600)] = 60
    RATE_LIMIT_FAILURE: Literal["open", "closed"] = "open"
    TENANT_LIMITS: Annotated[dict[str, TenantLimits], BeforeValidator(_json_if_text)] = Field(
        default_factory=dict
    )
    LEDGER_FAILURE: Literal["open", "closed"] = "closed"
    LEDGER_TIMEOUT_MS: Annotated[float, Field(ge=1, le=30_000)] = 2000
    LEDGER_LEASE_SECONDS: Annotated[float, Field(ge=1, le=86_400)] = 600

    @model_validator(mode="after")
    def _some_model_is_named(self) -> Self:
        if not self.MODELS:
            raise ValueError("MODELS: names no model")
        return self

    @model_validator(mode="after")
    def _providers_are_known(self) -> Self:
        known = [*PROVIDER_BASE_URLS, *self.PROVIDERS]
        for alias, routes in self.MODELS.items():
            for route in routes if isinstance(routes, tuple) else (routes,):
                if route.provider not in known:
                    name = route.provider[:64]
                    raise ValueError(f"MODELS.{alias}: unknown provider {name!r}; known: {', '.join(known)}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the application was told. Build it with `from_environ`."""

    environment: str
    wide_event_sinks: tuple[str, ...]
    auth: AuthSettings
    models: dict[str, tuple[ModelRoute, ...]]
    providers: dict[str, ProviderAccess]
    cache: CacheSettings
    max_body_bytes: int
    max_answer_bytes: int
    routing_weights: RoutingWeights
    geo_policy: str
    geo_allow_countries: tuple[str, ...]
    geo_deny_countries: tuple[str, ...]
    retry_attempts: int
    hedge_after_ms: float | None
    request_deadline_seconds: float
    max_request_cost_usd: float | None
    tenant_classes: dict[str, str]
    tenant_regions: dict[str, Literal["eu"]]
    capture_content: Capture
    upstream_timeout_seconds: float
    stream_idle_seconds: float
    privacy_policy: Policy
    privacy_answers: AnswerPolicy
    sealing_keys: KeyRing | None
    rate_limit_period_seconds: int
    rate_limit_failure: str
    tenant_limits: dict[str, TenantLimits]
    ledger_failure: str
    ledger_timeout_ms: float
    ledger_lease_seconds: float
    http: HttpSettings
    metrics: MetricsSettings
    sessions: SessionSettings
    telemetry: TelemetryConfig

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Check every setting; raise `ConfigurationError`, one line naming the first that is wrong."""
        present = {name: value for name, value in environ.items() if value not in (None, "")}
        try:
            parsed = _Environment.model_validate(present)
        except ValidationError as error:
            raise ConfigurationError(*_first_problem(error)) from None
        flat = {name.lower(): getattr(parsed, name) for name in _Environment.model_fields}
        for name in ("providers", "ai_gateway_url", "ai_gateway_token"):
            del flat[name]
        flat["capture_content"] = flat.pop("otel_instrumentation_genai_capture_message_content")
        keys = parsed.SEALING_KEYS
        flat["sealing_keys"] = KeyRing.from_setting(keys.get_secret_value()) if keys is not None else None
        flat["models"] = {
            alias: routes if isinstance(routes, tuple) else (routes,)
            for alias, routes in parsed.MODELS.items()
        }
        texts = {name: str(value) for name, value in present.items() if isinstance(value, str | int | float)}
        cache = CacheSettings.from_environ(present)
        cache.check_routes(parsed.MODELS)
        auth, http = AuthSettings.from_environ(present), HttpSettings.from_environ(present)
        providers = _providers(parsed, present)
        _check_outbound(parsed, present, providers, auth, http)
        return cls(
            **flat,
            providers=providers,
            auth=auth,
            cache=cache,
            http=http,
            metrics=MetricsSettings.from_environ(present),
            sessions=SessionSettings.from_environ(present),
            telemetry=TelemetryConfig.from_environ(texts),
        )


_NAMES = frozenset(_Environment.model_fields).union(
    *(each.NAMES for each in (AuthSettings, CacheSettings, HttpSettings, MetricsSettings, SessionSettings))
)


def is_setting(name: str) -> bool:
    """Whether something of that name is read: by name, or by form where other settings name it."""
    return (
        name in _NAMES or name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith(("OTEL_", "LUMIGATE_"))
    )


def _providers(parsed: _Environment, environ: Mapping[str, Any]) -> dict[str, ProviderAccess]:
    """How each provider is reached: at its own address, through the AI Gateway, or where it is for everyone."""
    found = {}
    gateway = parsed.AI_GATEWAY_URL
    for name, default in PROVIDER_BASE_URLS.items():
        base_url = f"{gateway}/{AI_GATEWAY_PATHS[name]}" if gateway else default
        found[name] = _provider(name, name, base_url, parsed, environ)
    for name, custom in parsed.PROVIDERS.items():
        found[name] = _provider(name, custom.api, custom.base_url, parsed, environ)
    return found


def _provider(
    name: str, api: str, base_url: str, parsed: _Environment, environ: Mapping[str, Any]
) -> ProviderAccess:
    prefix = name.upper()
    gateway, token = parsed.AI_GATEWAY_URL, parsed.AI_GATEWAY_TOKEN
    given = environ.get(f"{prefix}_BASE_URL", base_url)
    through_gateway = gateway is not None and isinstance(given, str) and given.startswith(gateway)
    headers: tuple[tuple[str, SecretStr], ...] = ()
    if through_gateway and token is not None:
        headers = (("cf-aig-authorization", SecretStr(f"Bearer {token.get_secret_value()}")),)
    try:
        return ProviderAccess(
            name=name, api=api, base_url=given, api_key=environ.get(f"{prefix}_API_KEY"), headers=headers
        )
    except ValidationError as error:
        field, problem = _first_problem(error)
        raise ConfigurationError(f"{prefix}_{field.partition('.')[0].upper()}", problem) from None


def _check_outbound(
    parsed: _Environment,
    environ: Mapping[str, Any],
    providers: Mapping[str, ProviderAccess],
    auth: AuthSettings,
    http: HttpSettings,
) -> None:
    """Hold every address that requests are sent to against the rules, by the name of the setting it came from."""
    named: list[tuple[str, str]] = []
    if parsed.AI_GATEWAY_URL is not None:
        named.append(("AI_GATEWAY_URL", parsed.AI_GATEWAY_URL))
    for name, access in providers.items():
        own = f"{name.upper()}_BASE_URL"
        custom = f"PROVIDERS.{name}.base_url" if name in parsed.PROVIDERS else own
        named.append((own if own in environ else custom, access.base_url))
    several = int("JWT_ISSUER" in environ and "JWKS_URL" in environ)
    for number, issuer in enumerate(auth.issuers):
        where = "JWKS_URL" if number < several else f"JWT_ISSUERS.{number - several}.jwks_url"
        named.append((where, issuer.jwks_url))
    for setting, url in named:
        try:
            if url:
                check_outbound(url, environment=parsed.ENVIRONMENT, trusted=http.outbound_trusted_hosts)
        except ValueError as error:
            raise ConfigurationError(setting, str(error)) from None


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """The setting that is wrong and what is wrong with it, without the offending value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # Parts in angle brackets name a branch of a union; they mean nothing to whoever wrote the setting.
    where = ".".join(part for part in map(str, first["loc"]) if not part.startswith("<"))
    problem = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
    if where:
        return where, problem
    # A check over several settings names the one it is about itself.
    name, _, rest = problem.partition(": ")
    return name, rest
