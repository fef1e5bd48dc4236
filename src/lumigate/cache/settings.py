"""What the cache was told: times, sizes and rules, for all routes and for each.

Every member of `CacheRules` may be set for one name of the routing table in `CACHE_ROUTES` (JSON); what an entry
there leaves out is what the settings say for all. Times of 0 turn a feature off.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lumigate.errors import ConfigurationError
from lumigate.model_table import Frozen
from lumigate.ports import Ports
from lumigate.setting_forms import json_if_text, split

KV_FLOOR_SECONDS = 60
"""KV takes no shorter time to live."""
MAX_TTL_SECONDS = 31 * 86_400
MAX_ENTRY_BYTES = 24 * 1024 * 1024
"""Under KV's 25 MiB for a value, with room for what stands before the body and for the seal."""

Ttl = Annotated[int, Field(ge=1, le=MAX_TTL_SECONDS)]
LowerTtl = Annotated[int, Field(ge=KV_FLOOR_SECONDS, le=MAX_TTL_SECONDS)]
Window = Annotated[int, Field(ge=0, le=MAX_TTL_SECONDS)]
Milliseconds = Annotated[float, Field(ge=0, le=60_000)]
Share = Annotated[float, Field(gt=0, le=1)]


Names = Annotated[tuple[str, ...], BeforeValidator(split)]


class CacheRules(Frozen):
    """What holds for one route, by the names that `CACHE_ROUTES` knows."""

    enabled: bool = True
    shared: bool = False
    ttl_seconds: Ttl | None = None
    """How long an answer is fresh; unless set, as long as the slowest tier there is keeps it."""
    l1_ttl_seconds: Ttl = 300
    l2_ttl_seconds: LowerTtl = 3600
    l3_ttl_seconds: LowerTtl = 86_400
    max_entry_bytes: Annotated[int, Field(ge=1, le=MAX_ENTRY_BYTES)] = MAX_ENTRY_BYTES
    stale_while_revalidate_seconds: Window = 60
    stale_if_error_seconds: Window = 600
    negative_seconds: Annotated[int, Field(ge=0, le=300)] = 5
    max_temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    streams: bool = True
    tools: Literal["never", "answers", "always"] = "answers"
    safe_tools: Names = ()
    near_threshold: Share | None = None

    @property
    def stale_seconds(self) -> int:
        """How long an answer is worth keeping once it is no longer fresh."""
        return max(self.stale_while_revalidate_seconds, self.stale_if_error_seconds)


class _Environment(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    CACHE_L1_BYTES: Annotated[int, Field(gt=0)] = 10 * 1024 * 1024
    CACHE_L1_TTL_SECONDS: Ttl = 300
    CACHE_L2_TTL_SECONDS: LowerTtl = 3600
    CACHE_L3_TTL_SECONDS: LowerTtl = 86_400
    CACHE_TTL_SECONDS: Ttl | None = None
    CACHE_MAX_ENTRY_BYTES: Annotated[int, Field(ge=1, le=MAX_ENTRY_BYTES)] = MAX_ENTRY_BYTES
    CACHE_L2_BUDGET_MS: Annotated[float, Field(ge=1, le=60_000)] = 250
    CACHE_L3_BUDGET_MS: Annotated[float, Field(ge=1, le=60_000)] = 500
    CACHE_STALE_WHILE_REVALIDATE_SECONDS: Window = 60
    CACHE_STALE_IF_ERROR_SECONDS: Window = 600
    CACHE_NEGATIVE_SECONDS: Annotated[int, Field(ge=0, le=300)] = 5
    CACHE_STAMPEDE_MS: Milliseconds = 2000
    CACHE_PURGE_SEEN_SECONDS: Annotated[float, Field(ge=0, le=3600)] = 30
    CACHE_MAX_TEMPERATURE: Annotated[float, Field(ge=0, le=2)] = 1.0
    CACHE_STREAMS: bool = True
    CACHE_TOOLS: Literal["never", "answers", "always"] = "answers"
    CACHE_SAFE_TOOLS: Names = ()
    CACHE_NEAR_THRESHOLD: Share | None = None
    CACHE_NEAR_EMBEDDING_MODEL: Annotated[str, Field(max_length=256)] = ""
    CACHE_NEAR_EMBEDDING_THRESHOLD: Share = 0.85
    CACHE_NEAR_VECTORS: bool = False
    CACHE_NEAR_VECTORS_BUDGET_MS: Annotated[float, Field(ge=1, le=60_000)] = 500
    CACHE_ROUTES: Annotated[dict[str, dict[str, Any]], BeforeValidator(json_if_text)] = Field(
        default_factory=dict
    )


_RULE_SETTINGS: Mapping[str, str] = {
    "ttl_seconds": "CACHE_TTL_SECONDS",
    "l1_ttl_seconds": "CACHE_L1_TTL_SECONDS",
    "l2_ttl_seconds": "CACHE_L2_TTL_SECONDS",
    "l3_ttl_seconds": "CACHE_L3_TTL_SECONDS",
    "max_entry_bytes": "CACHE_MAX_ENTRY_BYTES",
    "stale_while_revalidate_seconds": "CACHE_STALE_WHILE_REVALIDATE_SECONDS",
    "stale_if_error_seconds": "CACHE_STALE_IF_ERROR_SECONDS",
    "negative_seconds": "CACHE_NEGATIVE_SECONDS",
    "max_temperature": "CACHE_MAX_TEMPERATURE",
    "streams": "CACHE_STREAMS",
    "tools": "CACHE_TOOLS",
    "safe_tools": "CACHE_SAFE_TOOLS",
    "near_threshold": "CACHE_NEAR_THRESHOLD",
}
"""Which setting says it for all routes. Whether a route is cached, or shared, is said by route only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """Build it with `from_environ`."""

    NAMES: ClassVar[frozenset[str]] = frozenset(_Environment.model_fields)

    l1_bytes: int = 10 * 1024 * 1024
    l2_budget_ms: float = 250
    l3_budget_ms: float = 500
    stampede_ms: float = 2000
    purge_seen_seconds: float = 30
    near_embedding_model: str = ""
    near_embedding_threshold: float = 0.85
    near_vectors: bool = False
    near_vectors_budget_ms: float = 500
    rules: CacheRules = field(default_factory=CacheRules)
    routes: Mapping[str, CacheRules] = field(default_factory=dict)

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Raises `ConfigurationError`, one line naming the first setting that is wrong."""
        present = {name: value for name, value in environ.items() if value not in (None, "")}
        try:
            read = _Environment.model_validate(present)
        except ValidationError as error:
            raise _problem(error, "") from None
        rules = {member: getattr(read, name) for member, name in _RULE_SETTINGS.items()}
        return cls(
            l1_bytes=read.CACHE_L1_BYTES,
            l2_budget_ms=read.CACHE_L2_BUDGET_MS,
            l3_budget_ms=read.CACHE_L3_BUDGET_MS,
            stampede_ms=read.CACHE_STAMPEDE_MS,
            purge_seen_seconds=read.CACHE_PURGE_SEEN_SECONDS,
            near_embedding_model=read.CACHE_NEAR_EMBEDDING_MODEL,
            near_embedding_threshold=read.CACHE_NEAR_EMBEDDING_THRESHOLD,
            near_vectors=read.CACHE_NEAR_VECTORS,
            near_vectors_budget_ms=read.CACHE_NEAR_VECTORS_BUDGET_MS,
            rules=CacheRules(**rules),
            routes={alias: _route(alias, rules, own) for alias, own in read.CACHE_ROUTES.items()},
        )

    def check_routes(self, aliases: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` for a route that the routing table does not know."""
        for alias in self.routes:
            if alias not in aliases:
                raise ConfigurationError("CACHE_ROUTES", f"{alias[:64]!r} is no name of MODELS")
        if (model := self.near_embedding_model) and model not in aliases:
            raise ConfigurationError("CACHE_NEAR_EMBEDDING_MODEL", f"{model[:64]!r} is no name of MODELS")
        if self.near_vectors and not self.near_embedding_model:
            raise ConfigurationError(
                "CACHE_NEAR_VECTORS", "needs a model that makes them: CACHE_NEAR_EMBEDDING_MODEL"
            )
        if self.near_vectors and all(
            rules.near_threshold is None for rules in (self.rules, *self.routes.values())
        ):
            raise ConfigurationError("CACHE_NEAR_VECTORS", "does nothing without CACHE_NEAR_THRESHOLD")

    def check_stores(self, ports: Ports) -> None:
        """Raise `ConfigurationError` for what is switched on and has no binding to work with."""
        for wanted, there in (("VECTORS, a Vectorize index", ports.vectors), ("CACHE", ports.key_value)):
            if self.near_vectors and there is None:
                raise ConfigurationError(
                    "CACHE_NEAR_VECTORS", f"is on, and wrangler.toml has no binding {wanted}"
                )

    def rules_of(self, alias: str) -> CacheRules:
        return self.routes.get(alias, self.rules)


def _route(alias: str, rules: Mapping[str, Any], own: Mapping[str, Any]) -> CacheRules:
    try:
        return CacheRules.model_validate({**rules, **own})
    except ValidationError as error:
        raise _problem(error, f"CACHE_ROUTES.{alias[:64]}") from None


def _problem(error: ValidationError, where: str) -> ConfigurationError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(filter(None, (where, *map(str, first["loc"]))))
    return ConfigurationError(name, first["msg"].removeprefix("Value error, "))
