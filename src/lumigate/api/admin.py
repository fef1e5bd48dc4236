"""What the admin routes share: a bounded JSON body judged by a model, the store, and pages of a list.

They are for the operators of the whole gateway, and ask for the scope `admin` (`lumigate.auth.policy`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lumigate.errors import AdminStoreUnavailable, InvalidRequest, LumigateError, NotConfigured
from lumigate.http.body import read_json_object
from lumigate.ports import KeyValue
from lumigate.scope import Scope

MAX_BODY_BYTES = 16 * 1024
MAX_CURSOR_CHARS = 2048
# A name of unprintable characters can be read by nobody; half a character is refused by pydantic.
PlainText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Instant = Annotated[int, Field(ge=0, le=253_402_300_799)]
"""Seconds since the epoch, to the end of the year 9999."""


class Body(BaseModel):
    """A request's body: closed, and never quoting what was sent. Built when first asked for, which is seldom."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )


async def read_body[B: Body](scope: Scope, model: type[B]) -> B:
    """Raises `CallerError` for everything that is not such a body."""
    content = await read_json_object(scope, MAX_BODY_BYTES)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        problem = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        # A member that nobody knows may be named anything.
        known = [str(part) for part in first["loc"] if isinstance(part, int) or part in model.model_fields]
        raise InvalidRequest(problem, ".".join(known) or None) from None


def key_value(scope: Scope) -> KeyValue:
    """The request's store. Raises `NotConfigured`."""
    store = scope.ports.key_value
    if store is None:
        raise NotConfigured("key-value store")
    return store


@contextmanager
def asking_the_store() -> Iterator[None]:
    """Whatever the store throws, or what lies in it, is a 503 that says so."""
    try:
        yield
    except LumigateError:
        raise
    except Exception as error:
        raise AdminStoreUnavailable from error


def cursor(scope: Scope) -> str | None:
    """The `cursor` of the query. Raises `InvalidRequest`."""
    query = scope.request.query
    if len(query) > MAX_CURSOR_CHARS:
        raise InvalidRequest("is too long", "cursor")
    values = parse_qs(query, errors="replace").get("cursor")
    return values[0] if values else None
