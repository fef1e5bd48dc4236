"""Requests that are hardly any: each is answered, in the usual shape, and none brings the server down."""

from __future__ import annotations

import json

import httpx
import pytest

from local.runtime.ports import LocalPorts
from tests.local.runtime.test_server import exchange, serving
from tests.local.stubs import echo

HEAD = b"POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"


@pytest.mark.parametrize(
    "length", [b"5", b"0" * 20 + b"5", b"0" * 5000 + b"5"], ids=["plain", "zeros", "many"]
)
async def test_a_length_of_many_digits_may_be_a_small_one(ports: LocalPorts, length: bytes) -> None:
    async with serving(ports, echo) as url:
        answer = await exchange(url, HEAD + b"content-length: " + length + b"\r\n\r\nhello")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["body"] == "hello"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"post /x HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /x HTTP/9.9\r\nhost: x\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nx",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"x: a\x00b\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_400_that_clients_can_read(
    ports: LocalPorts, client: httpx.AsyncClient, data: bytes
) -> None:
    async with serving(ports, echo) as url:
        answer = await exchange(url, data)
        assert (await client.get(f"{url}/after")).status_code == 200
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nconnection: close" in head
    assert json.loads(body)["error"]["code"] == "invalid_http"


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_an_offer_of_another_protocol_is_passed_over_and_the_body_is_not(
    ports: LocalPorts, protocol: bytes
) -> None:
    """As Java's own client sends every first request to an address without TLS."""
    offer = (
        b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AAE\r\n"
    )
    data = b"POST /x HTTP/1.1\r\nHost: x\r\n" + offer + b"Content-Length: 5\r\n\r\nhello"
    async with serving(ports, echo) as url:
        answer = await exchange(url, data)
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen["body"] == "hello"
    assert "upgrade" not in seen["headers"]
