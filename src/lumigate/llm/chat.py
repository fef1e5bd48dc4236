"""A chat completion as it is asked for, in OpenAI's shape (POST /v1/chat/completions).

What routing, caching and telemetry need is validated here; every other parameter is passed to the provider as it came,
because the provider is who knows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from lumigate.errors import InvalidRequest, LumigateError
from lumigate.llm.prompt_size import prompt_tokens


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: StrictStr | list[dict[str, Any]] | None = None


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: StrictBool | None = None


class _ChatBody(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: Annotated[StrictStr, Field(min_length=1, max_length=256)]
    messages: Annotated[list[_Message], Field(min_length=1)]
    stream: StrictBool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, strict=True)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    n: Annotated[StrictInt, Field(ge=1, le=128)] | None = None


OPENAI, ANTHROPIC = "openai", "anthropic"
"""Dialects."""
CHAT, EMBEDDINGS = "chat", "embeddings"
"""Operations, by the names of the GenAI conventions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A validated request. `body` is its canonical form, whole; `wants_usage` is about the stream's last event.

    A request that came in the words of another `dialect` keeps them in `native`, for providers that speak it. What
    its canonical form cannot say is in `untranslatable`, to be raised where anyone else would have to be asked.
    """

    model: str
    stream: bool
    wants_usage: bool
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    body: Mapping[str, Any]
    operation: str = CHAT
    dialect: str = OPENAI
    native: Mapping[str, Any] | None = None
    native_features: str = ""
    untranslatable: LumigateError | None = None

    @property
    def prompt_tokens_estimate(self) -> int:
        """A rough count of what goes in (`lumigate.llm.prompt_size`)."""
        return prompt_tokens(self.body)

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Raises `InvalidRequest` naming the first field that is wrong."""
        try:
            valid = _ChatBody.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            field = ".".join(str(part) for part in first["loc"][:4])
            raise InvalidRequest(first["msg"], param=field or None) from None
        stream = bool(valid.stream)
        if valid.stream_options is not None and not stream:
            raise InvalidRequest("is allowed only when 'stream' is true", param="stream_options")
        if body.get("top_logprobs") and not body.get("logprobs"):
            raise InvalidRequest("is allowed only when 'logprobs' is true", param="top_logprobs")
        if body.get("tool_choice") not in (None, "auto", "none") and not body.get("tools"):
            raise InvalidRequest("is allowed only with 'tools'", param="tool_choice")
        return cls(
            model=valid.model,
            stream=stream,
            wants_usage=bool(valid.stream_options and valid.stream_options.include_usage),
            max_tokens=valid.max_completion_tokens or valid.max_tokens,
            temperature=valid.temperature,
            top_p=valid.top_p,
            body=body,
        )
