"""A chat completion as it is asked for, in OpenAI's shape (POST /v1/chat/completions).

What routing, caching, telemetry and translation need is validated here; every other parameter is passed to the provider
as it came, because the provider is who knows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, StrictBool, StrictInt, StrictStr, ValidationError

from lumigate.errors import InvalidRequest, LumigateError
from lumigate.llm.invalid import invalid_request
from lumigate.llm.prompt_size import prompt_tokens, prompt_tokens_in

MAX_TOKEN_CAP = 2**31 - 1
"""Beyond what any model can answer. A cap without a bound would make costs that are no number any more."""
TokenCap = Annotated[StrictInt, Field(ge=1, le=MAX_TOKEN_CAP)]
# Each item that is wrong would be remembered until all have been looked at: hundreds of bytes for two of text.
Objects = Annotated[list[dict[str, Any]], FailFast()]
Texts = Annotated[list[StrictStr], FailFast()]
_Penalty = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: StrictStr | Objects | None = None


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: StrictBool | None = None


class _ChatBody(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: Annotated[StrictStr, Field(min_length=1, max_length=256)]
    messages: Annotated[list[_Message], Field(min_length=1), FailFast()]
    stream: StrictBool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: TokenCap | None = None
    max_completion_tokens: TokenCap | None = None
    temperature: Annotated[float, Field(ge=0, le=2, strict=True)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    n: Annotated[StrictInt, Field(ge=1, le=128)] | None = None
    # Of what follows only the type is known here: what a provider would not honour must not be lost on the way.
    tools: Objects | None = None
    tool_choice: StrictStr | dict[str, Any] | None = None
    parallel_tool_calls: StrictBool | None = None
    response_format: dict[str, Any] | None = None
    stop: StrictStr | Texts | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    seed: StrictInt | None = None
    user: StrictStr | None = None
    metadata: dict[str, Any] | None = None


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
    def answers(self) -> int:
        """How many are asked for, each of which is paid for."""
        answers = self.body.get("n")
        return answers if type(answers) is int and answers > 0 else 1

    @property
    def service_tier(self) -> str:
        """The one that is asked for; each may have prices of its own."""
        tier = self.body.get("service_tier")
        return tier if isinstance(tier, str) else ""

    @property
    def prompt_tokens_estimate(self) -> int:
        """A rough count of what goes in (`lumigate.llm.prompt_size`)."""
        if self.untranslatable is not None and self.native is not None:
            return prompt_tokens_in(self.native)
        return prompt_tokens(self.body)

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Raises `InvalidRequest` naming the first field that is wrong."""
        try:
            valid = _ChatBody.model_validate(body)
        except ValidationError as error:
            raise invalid_request(error) from None
        stream = bool(valid.stream)
        if valid.stream_options is not None and not stream:
            raise InvalidRequest("is allowed only when 'stream' is true", param="stream_options")
        caps = {valid.max_tokens, valid.max_completion_tokens} - {None}
        if len(caps) > 1:  # providers differ in which of them they obey
            raise InvalidRequest("says something else than 'max_completion_tokens'", param="max_tokens")
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
