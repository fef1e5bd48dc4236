"""The routing table and the providers as they are set: what callers may ask for, who answers, how each is reached.

`MODELS` maps a name to one candidate or a list of them. `PROVIDERS` adds servers that speak OpenAI's API under names
of the operator's choosing. Every provider has `<NAME>_API_KEY` and `<NAME>_BASE_URL`; with `AI_GATEWAY_URL`, those
without an address of their own are reached through Cloudflare AI Gateway.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    model_validator,
)

from lumigate.setting_forms import unknown_member

PROVIDER_BASE_URLS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com/v1beta",
    "cohere": "https://api.cohere.com",
    "mistral": "https://api.mistral.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "workers_ai": "",
}
"""The providers there are, and where each is unless `<PROVIDER>_BASE_URL` says otherwise; Workers AI's address holds
the account and so has no default."""

AI_GATEWAY_PATHS: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google-ai-studio/v1beta",
    "cohere": "cohere",
    "mistral": "mistral/v1",
    "openrouter": "openrouter/v1",
    "workers_ai": "workers-ai/v1",
}
"""Where each stands under a gateway's address: https://developers.cloudflare.com/ai-gateway/usage/providers/."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def http_url(value: str) -> str:
    """Without a slash at the end. Raises `ValueError`."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an address that is none
        valid = False
    if not valid or any(c.isspace() for c in value):
        raise ValueError("must be an http or https URL")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(http_url)]
OptionalUrl = Annotated[str, AfterValidator(lambda value: http_url(value) if value else value)]


class Frozen(BaseModel):
    """A piece of the settings: closed, unchanging, and never quoting what was set but the name of a strange member."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _knows_every_member(cls, value: Any) -> Any:
        """Before the members are looked at: one that is misspelt is more than another that is missing."""
        if isinstance(value, dict) and cls.model_config.get("extra") == "forbid":
            for name in value:
                if name not in cls.model_fields:
                    raise ValueError(unknown_member(str(name), cls.model_fields))
        return value


class RoutingWeights(Frozen):
    """What counts for how much when candidates are ranked; only the proportions matter."""

    latency: float = Field(default=40, ge=0, le=1000)
    cost: float = Field(default=30, ge=0, le=1000)
    quality: float = Field(default=30, ge=0, le=1000)


Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ModelRoute(Frozen):
    """A candidate: a provider, its name for the model, and what is known of it. Prices in USD per million tokens.

    Prices that are not set come from the built-in table. `quality` is the operator's own judgement, 0 to 1. `region`
    is where the model runs (`eu`, `us`, …), for the geographic policy.
    """

    provider: str
    model: str = Field(min_length=1, max_length=256)
    input_usd_per_mtok: Usd | None = None
    output_usd_per_mtok: Usd | None = None
    cached_input_usd_per_mtok: Usd | None = None
    region: str = Field(default="", max_length=16)
    quality: float = Field(default=0.5, ge=0, le=1)
    allow_countries: tuple[Country, ...] = ()
    deny_countries: tuple[Country, ...] = ()


def _shape(value: Any) -> str:
    return "<list>" if isinstance(value, list | tuple) else "<one>"


type ModelTable = dict[
    str,
    Annotated[
        Annotated[ModelRoute, Tag("<one>")]
        | Annotated[tuple[ModelRoute, ...], Field(min_length=1, max_length=64), Tag("<list>")],
        Discriminator(_shape),
    ],
]


class CustomProvider(Frozen):
    """A server of the operator's choosing that speaks OpenAI's API, or another one that we know."""

    base_url: HttpUrl
    api: Literal["openai", "anthropic", "google", "cohere", "mistral", "openrouter", "workers_ai"] = "openai"


def check_provider_names(value: Mapping[str, CustomProvider]) -> Mapping[str, CustomProvider]:
    for name in value:
        if not _NAME.fullmatch(name):
            raise ValueError("a provider's name is made of lower-case letters, digits and underscores")
        if name in PROVIDER_BASE_URLS:
            raise ValueError(f"{name} is built in; its address is set by {name.upper()}_BASE_URL")
    return value


class ProviderAccess(Frozen):
    """How a provider is reached. `api` names whose shapes it speaks."""

    name: str
    base_url: OptionalUrl
    api_key: SecretStr | None = None
    api: str = "openai"
    headers: tuple[tuple[str, SecretStr], ...] = ()

    def without_secrets(self, text: str) -> str:
        """A text of the provider's, with whatever it quotes of its credentials taken out."""
        own = (self.api_key, *(value for _, value in self.headers))
        for secret in (value.get_secret_value() for value in own if value is not None):
            for part in (secret, secret.removeprefix("Bearer ")):
                if part:
                    text = text.replace(part, "[key]")
        return text

    def header_values(self) -> dict[str, str]:
        """Headers that every call carries beside the provider's own; secrets in the clear."""
        return {name: value.get_secret_value() for name, value in self.headers}
