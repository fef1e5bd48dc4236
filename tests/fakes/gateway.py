"""A gateway over fakes, what OpenAI would send it, and what it recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lumigate.gateway import Gateway
from lumigate.http.types import Disconnect, Response
from tests.fakes.observed import Observed
from tests.fakes.ports import FakePorts, fake_ports
from tests.fakes.scope import make_request
from tests.fakes.settings import API_KEY, make_settings

UPSTREAM_URL = "https://upstream.example/v1/chat/completions"
CHAT_BODY: Mapping[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
WITH_KEY: Mapping[str, str] = {"authorization": f"Bearer {API_KEY}"}


def completion(content: str = "Hi.", **changes: Any) -> dict[str, Any]:
    """A `chat.completion` as OpenAI sends it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
    } | changes


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def chunk(content: str = "", finish_reason: str | None = None, **changes: Any) -> dict[str, Any]:
    """A `chat.completion.chunk` as OpenAI sends it."""
    delta = {"content": content} if content else {}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-mini-2024",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        "usage": None,
    } | changes


USAGE_EVENT = event(
    chunk(choices=[], usage={"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500})
)
DONE_EVENT = b"data: [DONE]\n\n"
STREAM: Sequence[bytes] = (
    event(chunk("Grüße, ")),
    event(chunk("Welt 🌍")),
    event(chunk(finish_reason="stop")),
    USAGE_EVENT,
    DONE_EVENT,
)
"""A whole stream, an event a piece."""


@dataclass(slots=True, kw_only=True)
class GatewayUnderTest:
    """A gateway, its ports (shared by all requests, as the embedded runtime does) and what it recorded."""

    gateway: Gateway
    ports: FakePorts
    observed: Observed

    async def send(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        *,
        headers: Mapping[str, str] = WITH_KEY,
        body: Any = CHAT_BODY,
        disconnect: Disconnect | None = None,
    ) -> Response:
        """`body` is sent as JSON unless it is bytes. The answer's body may be a stream."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = make_request(method, path, headers=headers, body=raw, disconnect=disconnect)
        return await self.gateway.handle(request, self.ports)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.ports.console.events()


async def whole_body(response: Response) -> bytes:
    """Drain an answer, streamed or not."""
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([piece async for piece in response.body])


def error_of(response: Response) -> dict[str, Any]:
    """The error object of an answer."""
    assert isinstance(response.body, bytes)
    return cast("dict[str, Any]", json.loads(response.body)["error"])


def make_gateway(ports: FakePorts | None = None, **environ: Any) -> GatewayUnderTest:
    """A gateway over fakes; `environ` overrides `ENVIRON`."""
    ports = ports or fake_ports()
    gateway = Gateway(make_settings(**environ), clock=ports.clock, entropy=ports.entropy, version="1.2.3")
    return GatewayUnderTest(gateway=gateway, ports=ports, observed=Observed(gateway.telemetry))
