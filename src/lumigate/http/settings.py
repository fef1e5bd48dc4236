"""How the gateway meets clients and addresses, as settings say it: bounds, CORS, HSTS, hosts that are trusted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lumigate.errors import ConfigurationError
from lumigate.setting_forms import split

ANY_ORIGIN = "*"
PLATFORM_HEADER_BYTES = 128 * 1024
PLATFORM_URL_BYTES = 16 * 1024
"""What Cloudflare lets through (https://developers.cloudflare.com/workers/platform/limits/#request-limits)."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._~\[\]:-]+")
_HOST = r"(?!-)[\w.-]+|\[?[0-9a-f]*:[0-9a-f.]*:[0-9a-f:.]*\]?"
"""A name, an address of four numbers, or one of IPv6; no port: it is the host that is trusted."""


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    if ANY_ORIGIN in values and len(values) > 1:
        raise ValueError("is * or a list of origins, not both")
    for value in values:
        if value != ANY_ORIGIN and not _ORIGIN.fullmatch(value):
            raise ValueError(
                f"{value[:100]!r} is no origin: it has the form https://app.example.com, in lower case"
            )
    return values


def _hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(_HOST, value.lower()):  # compiled where the setting is set
            raise ValueError(f"{value[:100]!r} is no host: it has the form models.internal or 10.0.0.5")
    return tuple(value.lower().strip("[]") for value in values)


class _Environment(BaseModel):
    """The settings by the names they have in the environment."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    MAX_URL_BYTES: Annotated[int, Field(ge=256, le=PLATFORM_URL_BYTES)] = 8 * 1024
    MAX_HEADER_BYTES: Annotated[int, Field(ge=1024, le=PLATFORM_HEADER_BYTES)] = 32 * 1024
    MAX_HEADERS: Annotated[int, Field(ge=16, le=1000)] = 128
    BODY_TIMEOUT_SECONDS: Annotated[float, Field(ge=0.1, le=3600, allow_inf_nan=False)] = 60
    MAX_BODIES_BYTES: Annotated[int, Field(gt=0)] = 16 * 1024 * 1024
    CORS_ORIGINS: Annotated[tuple[str, ...], BeforeValidator(split), AfterValidator(_origins)] = ()
    CORS_CREDENTIALS: bool = False
    CORS_MAX_AGE_SECONDS: Annotated[int, Field(ge=0, le=86_400)] = 600
    HSTS_MAX_AGE_SECONDS: Annotated[int, Field(ge=0, le=2 * 366 * 86_400)] = 0
    OUTBOUND_TRUSTED_HOSTS: Annotated[tuple[str, ...], BeforeValidator(split), AfterValidator(_hosts)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Build it with `from_environ`."""

    NAMES: ClassVar[frozenset[str]] = frozenset(_Environment.model_fields)

    max_url_bytes: int = 8 * 1024
    max_header_bytes: int = 32 * 1024
    max_headers: int = 128
    body_timeout_seconds: float = 60
    max_bodies_bytes: int = 16 * 1024 * 1024
    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False
    cors_max_age_seconds: int = 600
    hsts_max_age_seconds: int = 0
    outbound_trusted_hosts: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Raises `ConfigurationError`, one line naming the first setting that is wrong."""
        present = {name: value for name, value in environ.items() if value not in (None, "")}
        try:
            read = _Environment.model_validate(present)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            name = ".".join(map(str, first["loc"]))
            raise ConfigurationError(name, first["msg"].removeprefix("Value error, ")) from None
        if read.CORS_CREDENTIALS and ANY_ORIGIN in read.CORS_ORIGINS:
            raise ConfigurationError("CORS_CREDENTIALS", "may not be on while CORS_ORIGINS is *")
        return cls(**{name.lower(): getattr(read, name) for name in _Environment.model_fields})
