"""How long sessions last and how much they hold. Read by the gateway and by the object of each session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lumigate.errors import ConfigurationError

_MIB = 1024 * 1024


class _Environment(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    SESSION_IDLE_SECONDS: Annotated[int, Field(ge=1, le=90 * 86_400)] = 86_400
    SESSION_HISTORY_TURNS: Annotated[int, Field(ge=1, le=1000)] = 50
    SESSION_HISTORY_BYTES: Annotated[int, Field(ge=1024, le=4 * _MIB)] = _MIB
    SESSION_MESSAGE_BYTES: Annotated[int, Field(ge=1024, le=4 * _MIB)] = _MIB
    SESSION_CODE_VERSIONS: Annotated[int, Field(ge=2, le=100)] = 20
    SESSION_WAIT_SECONDS: Annotated[float, Field(ge=0, le=25)] = 10
    SESSIONS_PER_SUBJECT: Annotated[int, Field(ge=1, le=10_000)] = 1000
    REQUEST_DEADLINE_SECONDS: Annotated[float, Field(ge=0.1, le=3600)] = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Build it with `from_environ`."""

    NAMES: ClassVar[frozenset[str]] = frozenset(_Environment.model_fields)

    idle_seconds: int = 86_400
    history_turns: int = 50
    history_bytes: int = _MIB
    message_bytes: int = _MIB
    code_versions: int = 20
    wait_seconds: float = 10
    per_subject: int = 1000
    lease_seconds: float = 180
    """A turn whose request has said nothing for so long is over: a model call may take its deadline, and a bit."""

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
            idle_seconds=read.SESSION_IDLE_SECONDS,
            history_turns=read.SESSION_HISTORY_TURNS,
            history_bytes=read.SESSION_HISTORY_BYTES,
            message_bytes=read.SESSION_MESSAGE_BYTES,
            code_versions=read.SESSION_CODE_VERSIONS,
            wait_seconds=read.SESSION_WAIT_SECONDS,
            per_subject=read.SESSIONS_PER_SUBJECT,
            lease_seconds=read.REQUEST_DEADLINE_SECONDS + 60,
        )
