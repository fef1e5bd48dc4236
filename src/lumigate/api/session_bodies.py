"""What may be sent to a session, validated at the edge."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from lumigate.errors import InvalidRequest
from lumigate.http.body import check_members

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
Alias = Annotated[StrictStr, Field(min_length=1, max_length=256)]
KEY_CHARS = 255
MAX_SAID = 200
"""Messages of a conversation that is handed over as it is."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Code(_Strict):
    """The code as the caller has it. What is not named stays as it was."""

    text: StrictStr
    language: Annotated[StrictStr, Field(max_length=32, pattern=_NO_CONTROLS)] = ""
    file: Annotated[StrictStr, Field(max_length=255, pattern=_NO_CONTROLS)] = ""


class SaidBefore(_Strict):
    """A message of a conversation."""

    role: Literal["user", "assistant"]
    content: StrictStr


class NewSession(_Strict):
    """`POST /sessions`."""

    system: StrictStr = ""
    model: Alias | None = None


class NewMessage(_Strict):
    """`POST /sessions/{id}/messages`: what is said, as one text or as messages of which the last is the user's."""

    content: Annotated[StrictStr, Field(min_length=1)] | None = None
    messages: (
        Annotated[tuple[SaidBefore, ...], Field(min_length=1, max_length=MAX_SAID), FailFast()] | None
    ) = None
    code: Code | None = None
    model: Alias | None = None
    temperature: Annotated[float, Field(ge=0, le=2, strict=True)] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    stream: StrictBool = False

    @model_validator(mode="after")
    def _says_something_once(self) -> Self:
        if (self.content is None) == (self.messages is None):
            raise ValueError("send either content or messages")
        if self.messages is not None and self.messages[-1].role != "user":
            raise ValueError("the last of messages must be the user's")
        return self

    @property
    def said(self) -> tuple[dict[str, str], ...]:
        """The messages in OpenAI's shape."""
        if self.messages is not None:
            return tuple({"role": m.role, "content": m.content} for m in self.messages)
        return ({"role": "user", "content": self.content or ""},)


def _check_members(body: Mapping[str, Any]) -> None:
    """Every member that is not known would be told of."""
    inner = [("code", body.get("code"))]
    if isinstance(said := body.get("messages"), list):
        inner += [(f"messages.{index}", message) for index, message in enumerate(said[:MAX_SAID])]
    for where, value in inner:
        if isinstance(value, dict):
            check_members(value, where)


def validated[B: BaseModel](kind: type[B], body: dict[str, Any]) -> B:
    """Raises `InvalidRequest` naming the first field that is wrong."""
    _check_members(body)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"][:4])
        raise InvalidRequest(first["msg"].removeprefix("Value error, "), param=field or None) from None
