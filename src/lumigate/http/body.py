"""A request body to JSON: bounded, strict, and never a 500."""

from __future__ import annotations

from typing import Any

from lumigate import strict_json
from lumigate.errors import BodyTooLarge, InvalidJson, InvalidRequest, UnsupportedMediaType
from lumigate.scope import Scope


async def read_json_object(scope: Scope, limit_bytes: int) -> dict[str, Any]:
    """The body as a JSON object. Raises `CallerError` for everything that is not one."""
    return parse_json_object(await read_json_bytes(scope, limit_bytes))


async def read_json_bytes(scope: Scope, limit_bytes: int) -> bytes:
    """The body, unread, of a request that says it is JSON. Raises `CallerError`."""
    content_type = scope.headers.get("content-type", "application/json")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType
    if scope.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType
    declared = scope.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    body = await scope.request.read_body(limit_bytes)
    if body is None:
        raise BodyTooLarge(limit_bytes)
    scope.facts.request_bytes = len(body)
    return body


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Raises `InvalidJson`, or `InvalidRequest` for JSON that is no object."""
    try:
        value = strict_json.loads(body)
    except strict_json.JsonError as error:
        raise InvalidJson(str(error)) from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object")
    return value
