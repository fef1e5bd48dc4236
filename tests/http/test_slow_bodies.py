"""Bodies that take too long, or say of themselves what cannot be believed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lumigate.http.body import BodyTimeout, UnsupportedEncoding, read_json_object
from tests.fakes import make_scope
from tests.fakes.gateway import WITH_KEY, error_of, make_gateway
from tests.fakes.scope import make_request


async def never(limit_bytes: int) -> bytes | None:
    del limit_bytes
    await asyncio.Event().wait()
    raise AssertionError("it never comes")


async def test_a_body_that_does_not_arrive_is_408_in_the_usual_shape() -> None:
    rig = make_gateway(BODY_TIMEOUT_SECONDS="0.1")
    request = replace(make_request(headers=WITH_KEY), read_body=never)
    response = await rig.gateway.handle(request, rig.ports)
    assert (response.status, error_of(response)["code"]) == (408, "body_timeout")
    assert response.headers["connection"] == "close"
    (event,) = (event for event in rig.events if event["event"] == "request")
    assert (event["status"], event["outcome"], event["error_code"]) == (408, "refused", "body_timeout")


async def test_the_bound_is_the_scopes() -> None:
    rig = make_scope()
    scope = replace(rig.scope, request=replace(rig.scope.request, read_body=never), body_timeout_seconds=0.01)
    with pytest.raises(BodyTimeout):
        await read_json_object(scope, 100)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "x", ""])
async def test_a_compressed_body_is_told_what_is_wrong_with_it(encoding: str) -> None:
    """Whatever it is compressed with, and though what it says be JSON as it stands."""
    scope = make_scope(headers={"content-encoding": encoding}, body=b"{}").scope
    with pytest.raises(UnsupportedEncoding, match="content-encoding") as caught:
        await read_json_object(scope, 100)
    assert (caught.value.status, caught.value.code) == (415, "unsupported_media_type")
