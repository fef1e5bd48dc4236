"""Settings, read once from the environment (wrangler vars and secrets, or the process's own) and checked as a whole.

A missing or malformed setting stops the start with one line that names it; the value of a secret is never in that
line, nor in `repr`. OpenTelemetry's own settings (`OTEL_*`) are read by `lumigate.telemetry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

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
from lumigate.telemetry import TelemetryConfig

PROVIDER_BASE_URLS = {"openai": "https://api.openai.com/v1"}
"""The providers there are, and where each is unless `<PROVIDER>_BASE_URL` says otherwise."""


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port or an address that is none
        valid = False
    if not valid or any(c.isspace() for c in value):
        raise ValueError("must be an http or https URL")
    return value.rstrip("/")


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


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
ByteCount = Annotated[int, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ModelRoute(_Frozen):
    """What an alias stands for: a provider, its name for the model, and prices in USD per million tokens."""

    provider: str
    model: str
    input_usd_per_mtok: float | None = Field(default=None, ge=0)
    output_usd_per_mtok: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _known_provider(self) -> Self:
        if self.provider not in PROVIDER_BASE_URLS:
            raise ValueError(f"unknown provider {self.provider!r}; known: {', '.join(PROVIDER_BASE_URLS)}")
        return self


class ProviderAccess(_Frozen):
    """How a provider is reached."""

    name: str
    base_url: HttpUrl
    api_key: SecretStr | None = None
    headers: tuple[tuple[str, SecretStr], ...] = ()

    def header_values(self) -> dict[str, str]:
        """Headers that every call carries beside the provider's own; secrets in the clear."""
        return {name: value.get_secret_value() for name, value in self.headers}


class ApiKey(_Frozen):
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


class _Environment(_Frozen):
    """The settings by the names they have in the environment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ENVIRONMENT: str = "development"
    JWT_ISSUER: str | None = None
    JWT_AUDIENCE: str | None = None
    JWKS_URL: HttpUrl | None = None
    JWT_LEEWAY_SECONDS: Annotated[float, Field(ge=0, le=300)] = 30
    JWT_TENANT_CLAIM: str = "tenant"
    API_KEYS: Annotated[tuple[ApiKey, ...], BeforeValidator(_api_keys)] = ()
    MODELS: Annotated[dict[str, ModelRoute], BeforeValidator(_json_if_text)]
    CACHE_L1_TTL_SECONDS: Seconds = 300
    CACHE_L1_BYTES: ByteCount = 10 * 1024 * 1024
    CACHE_L2_TTL_SECONDS: Annotated[int, Field(ge=60)] = 3600
    MAX_BODY_BYTES: ByteCount = 10 * 1024 * 1024
    MAX_ANSWER_BYTES: ByteCount = 25 * 1024 * 1024
    UPSTREAM_TIMEOUT_SECONDS: Seconds = 60
    STREAM_IDLE_SECONDS: Seconds = 30
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
    models: dict[str, ModelRoute]
    providers: dict[str, ProviderAccess]
    cache_l1_ttl_seconds: float
    cache_l1_bytes: int
    cache_l2_ttl_seconds: int
    max_body_bytes: int
    max_answer_bytes: int
    upstream_timeout_seconds: float
    stream_idle_seconds: float
    rate_limit_period_seconds: int
    telemetry: TelemetryConfig

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Settings:
        """Check every setting; raise `ConfigurationError`, one line naming the first that is wrong."""
        present = {name: value for name, value in environ.items() if value not in (None, "")}
        try:
            parsed = _Environment.model_validate(present)
        except ValidationError as error:
            raise ConfigurationError(*_first_problem(error)) from None
        providers = {name: _provider(name, present) for name in PROVIDER_BASE_URLS}
        flat = {name.lower(): getattr(parsed, name) for name in _Environment.model_fields}
        texts = {name: str(value) for name, value in present.items() if isinstance(value, str | int | float)}
        return cls(**flat, providers=providers, telemetry=TelemetryConfig.from_environ(texts))


def _provider(name: str, environ: Mapping[str, Any]) -> ProviderAccess:
    prefix = name.upper()
    base_url = environ.get(f"{prefix}_BASE_URL", PROVIDER_BASE_URLS[name])
    try:
        return ProviderAccess(name=name, base_url=base_url, api_key=environ.get(f"{prefix}_API_KEY"))
    except ValidationError as error:
        field, problem = _first_problem(error)
        raise ConfigurationError(f"{prefix}_{field.upper()}", problem) from None


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """The setting that is wrong and what is wrong with it, without the offending value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
    if where:
        return where, problem
    # A check over several settings names the one it is about itself.
    name, _, rest = problem.partition(": ")
    return name, rest
