"""How metrics travel: through the counter shard or straight over OTLP. Read by the gateway and by the shard itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from lumigate.errors import ConfigurationError
from lumigate.shard import ShardSettings


class _Environment(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    METRICS_VIA: Literal["shard", "otlp"] = "shard"
    METRICS_FALLBACK: Literal["none", "otlp"] = "none"
    METRICS_TOKEN: SecretStr | None = None
    METRICS_SHARDS: Annotated[int, Field(ge=1, le=256)] = 1
    METRICS_SHARDS_BEFORE: Annotated[int, Field(ge=0, le=256)] = 0
    METRICS_EXPORT_SECONDS: Annotated[float, Field(ge=0.1, le=3600)] = 30
    METRICS_SCRAPE_HOLD_SECONDS: Annotated[float, Field(ge=0, le=3600)] = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Build it with `from_environ`."""

    NAMES: ClassVar[frozenset[str]] = frozenset(_Environment.model_fields)

    via_shard: bool = True
    fallback: Literal["none", "otlp"] = "none"
    token: SecretStr | None = None
    shards: int = 1
    shards_before: int = 0
    export_seconds: float = 30
    scrape_hold_seconds: float = 60

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Raises `ConfigurationError`, one line naming the first setting that is wrong."""
        present = {name: value for name, value in environ.items() if value not in (None, "")}
        try:
            read = _Environment.model_validate(present)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            raise ConfigurationError(str(first["loc"][0]), first["msg"]) from None
        return cls(
            via_shard=read.METRICS_VIA == "shard",
            fallback=read.METRICS_FALLBACK,
            token=read.METRICS_TOKEN,
            shards=read.METRICS_SHARDS,
            shards_before=read.METRICS_SHARDS_BEFORE,
            export_seconds=read.METRICS_EXPORT_SECONDS,
            scrape_hold_seconds=read.METRICS_SCRAPE_HOLD_SECONDS,
        )

    def shard_settings(self) -> ShardSettings:
        return ShardSettings(scrape_hold_ns=int(self.scrape_hold_seconds * 1e9))
