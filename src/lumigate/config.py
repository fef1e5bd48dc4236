"""Settings, read once from the environment (wrangler vars and secrets, or the process's own) and checked as a whole.

A missing or malformed setting stops the start with one line that names it; the value of a secret is never in that
line, nor in `repr`. OpenTelemetry's own settings (`OTEL_*`) are read by `lumigate.telemetry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from lumigate import strict_json
from lumigate.errors import ConfigurationError
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
from lumigate.privacy.mask import Policy
from lumigate.privacy.sealing import KeyRing
from lumigate.telemetry import TelemetryConfig

__all__ = ["PROVIDER_BASE_URLS", "ApiKey", "ModelRoute", "ProviderAccess", "Settings"]


def _json_if_text(value: Any) -> Any:
    """Wrangler passes structured vars as objects; everyone else writes JSON."""
    if not isinstance(value, str):
        return value
    try:
        return strict_json.loads(value.encode())
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


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


class ApiKey(Frozen):
    """A caller known by the SHA-256 of a key, so that the key itself is stored nowhere."""

    tenant: str = Field(min_length=1, max_length=96)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def _api_keys(value: Any) -> Any:
    """`tenant:sha256-hex` entries, separated by commas."""
    entries = _split(value)
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return entries
    keys = []
    for number, entry in enumerate(entries, start=1):
        tenant, colon, digest = entry.partition(":")
        if not colon:
            raise ValueError(f"entry {number} is not of the form tenant:sha256-hex")
        keys.append({"tenant": tenant.strip(), "sha256": digest.strip().lower()})
    return keys


class _Environment(Frozen):
    """The settings by the names they have in the environment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ENVIRONMENT: str = "development"
    JWT_ISSUER: str | None = None
    JWT_AUDIENCE: str | None = None
    JWKS_URL: HttpUrl | None = None
    JWT_LEEWAY_SECONDS: Annotated[float, Field(ge=0, le=300)] = 30
    JWT_TENANT_CLAIM: str = "tenant"
    API_KEYS: Annotated[tuple[ApiKey, ...], BeforeValidator(_api_keys)] = ()
    MODELS: Annotated[ModelTable, BeforeValidator(_json_if_text)]
    PROVIDERS: Annotated[
        dict[str, CustomProvider], BeforeValidator(_json_if_text), AfterValidator(check_provider_names)
    ] = Field(default_factory=dict)
    AI_GATEWAY_URL: HttpUrl | None = None
    AI_GATEWAY_TOKEN: SecretStr | None = None
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: bool = False
    CACHE_L1_TTL_SECONDS: Seconds = 300
    CACHE_L1_BYTES: ByteCount = 10 * 1024 * 1024
    CACHE_L2_TTL_SECONDS: Annotated[int, Field(ge=60)] = 3600
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
    UPSTREAM_TIMEOUT_SECONDS: Seconds = 60
    STREAM_IDLE_SECONDS: Seconds = 30
    PRIVACY_POLICY: Policy = Policy.OFF
    SEALING_KEYS: SecretStr | None = None
    RATE_LIMIT_PERIOD_SECONDS: Annotated[int, Field(ge=1, le=3600)] = 60

    @model_validator(mode="after")
    def _someone_may_come_in(self) -> Self:
        tokens = {"JWT_ISSUER": self.JWT_ISSUER, "JWT_AUDIENCE": self.JWT_AUDIENCE, "JWKS_URL": self.JWKS_URL}
        absent = [name for name, value in tokens.items() if not value]
        if absent and len(absent) < len(tokens):
            raise ValueError(f"{absent[0]}: missing, and the other token settings are there")
        if absent and not self.API_KEYS:
            raise ValueError("JWT_ISSUER: missing (and there are no API_KEYS either: nobody could come in)")
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


class Settings(BaseModel):
    """Everything the application was told. Build it with `from_environ`."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid")

    environment: str
    jwt_issuer: str | None
    jwt_audience: str | None
    jwks_url: str | None
    jwt_leeway_seconds: float
    jwt_tenant_claim: str
    api_keys: tuple[ApiKey, ...]
    models: dict[str, tuple[ModelRoute, ...]]
    providers: dict[str, ProviderAccess]
    cache_l1_ttl_seconds: float
    cache_l1_bytes: int
    cache_l2_ttl_seconds: int
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
    capture_content: bool
    upstream_timeout_seconds: float
    stream_idle_seconds: float
    privacy_policy: Policy
    sealing_keys: KeyRing | None
    rate_limit_period_seconds: int
    metrics: MetricsSettings
    telemetry: TelemetryConfig

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Settings:
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
        return cls(
            **flat,
            providers=_providers(parsed, present),
            metrics=MetricsSettings.from_environ(present),
            telemetry=TelemetryConfig.from_environ(texts),
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
