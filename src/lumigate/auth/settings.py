"""Who is let in and what they may do, as settings say it: issuers, API keys, revocation, policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from lumigate.auth.algorithms import ALGORITHMS
from lumigate.errors import ConfigurationError
from lumigate.model_table import Frozen, HttpUrl
from lumigate.setting_forms import json_if_text, split

YEAR_SECONDS = 366 * 86_400
MIN_PEPPER_CHARS = 16

type OnFailure = Literal["open", "closed"]


def _known_algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in ALGORITHMS:
            raise ValueError(f"{name[:20]!r} is none of {', '.join(ALGORITHMS)}")
    return names


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower().removeprefix("application/") for name in names)


Text = Annotated[str, Field(min_length=1, max_length=512)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(split)]
OneOrMore = Annotated[
    tuple[Text, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]
Types = Annotated[Texts, AfterValidator(_lower)]
Algorithms = Annotated[
    tuple[str, ...], Field(min_length=1), BeforeValidator(split), AfterValidator(_known_algorithms)
]
# RFC 6749, section 3.3: anything printable but a blank, a quote and a backslash.
ScopeName = Annotated[str, Field(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]{1,128}$")]
Scopes = Annotated[
    tuple[ScopeName, ...],
    BeforeValidator(lambda value: value.split(" ") if isinstance(value, str) else value),
]


class TrustedIssuer(Frozen):
    """Whose tokens are accepted, for whom, by which keys, and what its claims are called.

    `types` None takes a token of type `JWT` or `at+jwt` and one that names none. A fixed `tenant` goes before
    `tenant_claim`; `scope_claim` None is `scope`, or else `scp`.
    """

    issuer: Text
    jwks_url: HttpUrl
    audience: OneOrMore = ()
    authorized_parties: Texts = ()
    algorithms: Algorithms = ("RS256",)
    types: Types | None = None
    tenant: Annotated[str, Field(min_length=1, max_length=96)] | None = None
    tenant_claim: Text = "tenant"
    scope_claim: Text | None = None
    region_claim: Text | None = None

    @model_validator(mode="after")
    def _is_about_us(self) -> Self:
        if not self.audience and not self.authorized_parties:
            raise ValueError(
                "has neither audience nor authorized_parties: it would let in tokens for anyone else"
            )
        return self


class ApiKey(Frozen):
    """A caller known by the SHA-256 of a key, so that the key itself is stored nowhere."""

    tenant: str = Field(min_length=1, max_length=96)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: Scopes = ()


def _api_keys(value: Any) -> Any:
    """`tenant:sha256-hex` entries, separated by commas; scopes may follow: `tenant:sha256-hex:scope scope`."""
    entries = split(value)
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return entries
    keys = []
    for number, entry in enumerate(entries, start=1):
        tenant, colon, rest = entry.partition(":")
        if not colon:
            raise ValueError(f"entry {number} is not of the form tenant:sha256-hex")
        digest, _, scopes = rest.partition(":")
        keys.append({"tenant": tenant.strip(), "sha256": digest.strip().lower(), "scopes": scopes.split()})
    return keys


class PolicyRules(Frozen):
    """Scopes that a caller must have, by route (its template) and by model; a name of a model may end in `*`."""

    routes: dict[str, Scopes] = Field(default_factory=dict)
    models: dict[str, Scopes] = Field(default_factory=dict)


class _Environment(Frozen):
    """The settings by the names they have in the environment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    JWT_ISSUER: Text | None = None
    JWT_AUDIENCE: Text | None = None
    JWKS_URL: HttpUrl | None = None
    JWT_ISSUERS: Annotated[tuple[dict[str, Any], ...], BeforeValidator(json_if_text)] = ()
    JWT_ALGORITHMS: Algorithms = ("RS256",)
    JWT_AUTHORIZED_PARTIES: Texts = ()
    JWT_TYPES: Types | None = None
    JWT_LEEWAY_SECONDS: Annotated[float, Field(ge=0, le=300)] = 30
    JWT_MAX_LIFETIME_SECONDS: Annotated[int, Field(ge=60, le=YEAR_SECONDS)] = YEAR_SECONDS
    JWT_TENANT_CLAIM: Text = "tenant"
    JWT_SCOPE_CLAIM: Text | None = None
    JWT_REGION_CLAIM: Text | None = None
    JWKS_MAX_STALE_SECONDS: Annotated[float, Field(ge=60, le=30 * 86_400)] = 86_400
    API_KEYS: Annotated[tuple[ApiKey, ...], BeforeValidator(_api_keys)] = ()
    API_KEY_PEPPER: SecretStr | None = None
    API_KEY_CACHE_SECONDS: Annotated[float, Field(ge=0, le=3600)] = 30
    REVOCATION_CACHE_SECONDS: Annotated[float, Field(ge=0, le=3600)] = 30
    REVOCATION_FAILURE: OnFailure = "closed"
    POLICY: Annotated[PolicyRules, BeforeValidator(json_if_text)] = PolicyRules()

    @model_validator(mode="after")
    def _someone_may_come_in(self) -> Self:
        tokens = {
            "JWT_ISSUER": self.JWT_ISSUER,
            "JWT_AUDIENCE": self.JWT_AUDIENCE or self.JWT_AUTHORIZED_PARTIES,
            "JWKS_URL": self.JWKS_URL,
        }
        absent = [name for name, value in tokens.items() if not value]
        if absent and (self.JWT_ISSUER or self.JWT_AUDIENCE or self.JWKS_URL):
            raise ValueError(f"{absent[0]}: missing, and the other token settings are there")
        if absent and not (self.JWT_ISSUERS or self.API_KEYS or self.API_KEY_PEPPER):
            raise ValueError("JWT_ISSUER: missing (and there are no API_KEYS either: nobody could come in)")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Build it with `from_environ`. `api_key_peppers`: the first is for new keys, all are tried for old ones."""

    NAMES: ClassVar[frozenset[str]] = frozenset(_Environment.model_fields)

    issuers: tuple[TrustedIssuer, ...] = ()
    leeway_seconds: float = 30
    max_lifetime_seconds: int = YEAR_SECONDS
    max_stale_seconds: float = 86_400
    api_keys: tuple[ApiKey, ...] = ()
    api_key_peppers: tuple[SecretStr, ...] = ()
    api_key_cache_seconds: float = 30
    revocation_cache_seconds: float = 30
    revocation_failure: OnFailure = "closed"
    policy: PolicyRules = field(default_factory=PolicyRules)

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Raises `ConfigurationError`, one line naming the first setting that is wrong."""
        present = {name: value for name, value in environ.items() if value not in (None, "")}
        try:
            read = _Environment.model_validate(present)
        except ValidationError as error:
            raise ConfigurationError(*_first_problem(error)) from None
        return cls(
            issuers=_issuers(read),
            leeway_seconds=read.JWT_LEEWAY_SECONDS,
            max_lifetime_seconds=read.JWT_MAX_LIFETIME_SECONDS,
            max_stale_seconds=read.JWKS_MAX_STALE_SECONDS,
            api_keys=read.API_KEYS,
            api_key_peppers=_peppers(read.API_KEY_PEPPER),
            api_key_cache_seconds=read.API_KEY_CACHE_SECONDS,
            revocation_cache_seconds=read.REVOCATION_CACHE_SECONDS,
            revocation_failure=read.REVOCATION_FAILURE,
            policy=read.POLICY,
        )


def _issuers(read: _Environment) -> tuple[TrustedIssuer, ...]:
    """The one of `JWT_ISSUER` first; what an entry of `JWT_ISSUERS` does not say, the settings for all say."""
    shared = {
        "algorithms": read.JWT_ALGORITHMS,
        "authorized_parties": read.JWT_AUTHORIZED_PARTIES,
        "types": read.JWT_TYPES,
        "tenant_claim": read.JWT_TENANT_CLAIM,
        "scope_claim": read.JWT_SCOPE_CLAIM,
        "region_claim": read.JWT_REGION_CLAIM,
    }
    found: dict[str, TrustedIssuer] = {}
    if read.JWT_ISSUER and read.JWKS_URL:
        found[read.JWT_ISSUER] = TrustedIssuer(
            issuer=read.JWT_ISSUER,
            jwks_url=read.JWKS_URL,
            audience=(read.JWT_AUDIENCE,) if read.JWT_AUDIENCE else (),
            **shared,
        )
    for number, entry in enumerate(read.JWT_ISSUERS):
        try:
            issuer = TrustedIssuer.model_validate({**shared, **entry})
        except ValidationError as error:
            where, problem = _first_problem(error)
            raise ConfigurationError(
                ".".join(filter(None, (f"JWT_ISSUERS.{number}", where))), problem
            ) from None
        if issuer.issuer in found:
            raise ConfigurationError(f"JWT_ISSUERS.{number}.issuer", "is named twice")
        found[issuer.issuer] = issuer
    return tuple(found.values())


def _peppers(setting: SecretStr | None) -> tuple[SecretStr, ...]:
    peppers = split(setting.get_secret_value()) if setting is not None else []
    if any(len(pepper) < MIN_PEPPER_CHARS for pepper in peppers):
        raise ConfigurationError("API_KEY_PEPPER", f"is shorter than {MIN_PEPPER_CHARS} characters")
    return tuple(SecretStr(pepper) for pepper in peppers)


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """The setting that is wrong and what is wrong with it, without the offending value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    problem = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
    if where:
        return where, problem
    # A check over several settings names the one it is about itself.
    name, colon, rest = problem.partition(": ")
    return (name, rest) if colon and name.isupper() else ("", problem)
