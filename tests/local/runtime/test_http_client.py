from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.mocks.openai_upstream import OpenAIUpstream
from local.mocks.wire import Exchange, WireRequest, WireServer
from local.runtime.http_client import FAILURES, HttpClient, describe


def write_certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """A certificate of its own authority for one address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@contextlib.asynccontextmanager
async def tls_server(public: Path, private: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret")
            await writer.drain()
            await reader.read(1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def echo_target(request: WireRequest, exchange: Exchange) -> None:
    exchange.respond(200, request.path.encode(), "text/plain", {"x-long": "v" * 20_000})


async def test_a_server_is_believed_only_with_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    public, private = write_certificate(tmp_path, "127.0.0.1")
    async with tls_server(public, private) as url:
        async with HttpClient(ssl.create_default_context(cafile=str(public))) as client:
            response = await client.send("GET", url, {}, None)
            assert await response.read() == b"secret"
        async with HttpClient() as client:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await client.send("GET", url, {}, None)


async def test_a_certificate_for_another_address_is_refused(tmp_path: Path) -> None:
    public, private = write_certificate(tmp_path, "127.0.0.2")
    async with (
        tls_server(public, private) as url,
        HttpClient(ssl.create_default_context(cafile=str(public))) as client,
    ):
        with pytest.raises(FAILURES):
            await client.send("GET", url, {}, None)


async def test_requests_at_once_have_a_connection_each_and_connections_are_kept(
    upstream: OpenAIUpstream,
) -> None:
    upstream.behaviour.first_byte_ms = 50
    async with HttpClient() as client:

        async def ask() -> None:
            response = await client.send("GET", f"{upstream.base_url}/models", {}, None)
            await response.read()

        for _ in range(2):
            await asyncio.gather(*(ask() for _ in range(10)))
            assert upstream.connections == 10


async def test_a_proxy_of_the_environment_is_used_but_not_towards_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with WireServer(echo_target) as proxy, WireServer(echo_target) as here:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "exempt.invalid")
        async with HttpClient() as client:
            response = await client.send("GET", "http://models.invalid/v1?a=b", {}, None)
            assert await response.read() == b"http://models.invalid/v1?a=b"
            response = await client.send("GET", f"{here.url}/direct", {}, None)
            assert await response.read() == b"/direct"
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.send("GET", "http://exempt.invalid/", {}, None)
        assert (proxy.counts.requests, here.counts.requests) == (1, 1)


async def test_what_is_encoded_stays_so_and_long_headers_are_taken() -> None:
    async with WireServer(echo_target) as server, HttpClient() as client:
        response = await client.send("GET", f"{server.url}/a%2Fb:c?d=%20", {}, None)
        assert await response.read() == b"/a%2Fb:c?d=%20"
        assert len(response.headers["x-long"]) == 20_000


def test_the_description_of_a_failure_holds_no_url() -> None:
    assert describe(aiohttp.InvalidURL("http://x/?key=secret")) == "InvalidURL"
    assert describe(ValueError("http://x/?key=secret")) == "ValueError"
    assert describe(aiohttp.ServerDisconnectedError()) == "ServerDisconnectedError: Server disconnected"
