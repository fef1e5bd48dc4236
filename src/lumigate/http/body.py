"""A request body to JSON: bounded in size and time, strict, and never a 500."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.errors import (
    BodyTooLarge,
    CallerError,
    InvalidJson,
    InvalidRequest,
    NoRoomForBody,
    UnsupportedMediaType,
)
from lumigate.scope import Scope


class BodyTimeout(CallerError):
    """The body did not arrive in time (RFC 9110, section 15.5.9)."""

    status = 408
    code = "body_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The request body did not arrive within {seconds:g} s.", headers={"connection": "close"}
        )


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is compressed. What a few bytes may grow to is nobody's guess, so none is unpacked."""

    def __init__(self) -> None:
        CallerError.__init__(self, "The request body must be sent without a content-encoding.")


async def read_json_object(scope: Scope, limit_bytes: int) -> dict[str, Any]:
    """The body as a JSON object. Raises `CallerError` for everything that is not one, or `NoRoomForBody`."""
    return parse_json_object(await read_json_bytes(scope, limit_bytes))


async def read_json_bytes(scope: Scope, limit_bytes: int) -> bytes:
    """The body, unread, of a request that says it is JSON. Raises `CallerError`, or `NoRoomForBody`.

    It takes room when it is there, not when it is announced: who announces much and sends little keeps nobody out.
    """
    content_type = scope.headers.get("content-type", "application/json")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType
    if scope.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedEncoding
    declared = scope.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    try:
        async with scope.ports.timeout(scope.body_timeout_seconds):
            body = await scope.request.read_body(limit_bytes)
    except TimeoutError:
        raise BodyTimeout(scope.body_timeout_seconds) from None
    if body is None:
        raise BodyTooLarge(limit_bytes)
    scope.facts.request_bytes = len(body)
    if not scope.facts.finished:  # else it has given back already
        taken = scope.room.take(len(body))
        if taken is None:
            raise NoRoomForBody
        scope.room_taken += taken
    return body


MAX_MEMBERS = 1000
"""What is told of an object whose members are wrong is told of each, and takes memory for each."""


def check_members(value: Mapping[str, Any], where: str | None = None) -> None:
    """Raises `InvalidRequest` for an object that has too many members to be anything that is known here."""
    if len(value) > MAX_MEMBERS:
        raise InvalidRequest(f"has more than {MAX_MEMBERS} members", param=where)


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Raises `InvalidJson`, or `InvalidRequest` for JSON that is no object."""
    try:
        value = strict_json.loads(body, few=True)
    except strict_json.JsonError as error:
        raise InvalidJson(str(error)) from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    check_members(value)
    return value
