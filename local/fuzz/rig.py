"""One gateway for many cases: the embedded runtime's ports, with a provider and an issuer that say what they are told.

Nothing leaves the process. What the gateway does behind a response runs before the next case is judged.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from local.mocks.issuer import AUDIENCE, ISSUER, SigningKey, TokenMint
from local.mocks.other_shapes import ANTHROPIC, COHERE, GOOGLE, Said, Shape
from local.runtime.ports import LocalPorts, open_ports
from lumigate.config import Settings
from lumigate.gateway import Gateway
from lumigate.http.types import Request
from lumigate.ports import FetchError, FetchResponse, Ports, StreamInterrupted

SAID = Said(model="m", prompt_tokens=3, pieces=("Grüße, ", "Welt 🌍"))
_SHAPES: Mapping[str, Shape] = {"anthropic": ANTHROPIC, "googleapis": GOOGLE, "cohere": COHERE}
"""By a part of the provider's host."""
JWKS_URL = "https://issuer.fuzz/jwks.json"
_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream"}
_SETTINGS: Mapping[str, Any] = {
    "ENVIRONMENT": "fuzz",
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "JWKS_URL": JWKS_URL,
    "MODELS": {
        name: {"provider": provider, "model": f"{name}-model"}
        for name, provider in {
            "fast": "openai",
            "claude": "anthropic",
            "gemini": "google",
            "command": "cohere",
        }.items()
    },
    "OPENAI_API_KEY": "k",
    "ANTHROPIC_API_KEY": "k",
    "GOOGLE_API_KEY": "k",
    "COHERE_API_KEY": "k",
    "RETRY_ATTEMPTS": "1",
    "PRIVACY_POLICY": "tokens",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
    "MAX_BODY_BYTES": "150000",
    "OTEL_BSP_SCHEDULE_DELAY": "1",
    "SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAnswer:
    """What the provider says to the next call, in these pieces; `interrupted` breaks off after them."""

    status: int = 200
    headers: Mapping[str, str]
    pieces: Sequence[bytes]
    interrupted: bool = False


class _Answer:
    """An `UpstreamAnswer` as the `FetchResponse` port."""

    def __init__(self, answer: UpstreamAnswer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers

    async def read(self, limit_bytes: int) -> bytes | None:
        if self._answer.interrupted:
            raise StreamInterrupted("connection")
        body = b"".join(self._answer.pieces)
        return body if len(body) <= limit_bytes else None

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._answer.pieces:
            yield piece
        if self._answer.interrupted:
            raise StreamInterrupted("connection")

    def cancel(self) -> None:
        """Nothing is open."""


class ScriptedFetch:
    """The `Fetch` port: the issuer's keys at their URL, the scripted provider at every other."""

    def __init__(self, key_set: bytes) -> None:
        self.key_set = key_set
        self.answer: UpstreamAnswer | None = None

    async def __call__(self, method: str, url: str, *, body: bytes | None = None, **_: Any) -> FetchResponse:
        if url == JWKS_URL:
            return _Answer(UpstreamAnswer(headers=_JSON, pieces=[self.key_set]))
        if self.answer is not None:
            return _Answer(self.answer)
        if body is None:
            raise FetchError("connection")
        return _Answer(_well_behaved(url, json.loads(body)))


class _FuzzPorts:
    """The local ports, but for `fetch`."""

    def __init__(self, local: LocalPorts, fetch: ScriptedFetch) -> None:
        self._local = local
        self.fetch = fetch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._local, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a caller got."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Rig:
    """A gateway that lives through a whole run, as an isolate does."""

    def __init__(self, folder: Path) -> None:
        self.key = SigningKey.generate()
        self.mint = TokenMint(self.key)
        self.token = self.mint.valid(ttl_seconds=86_400, scope="admin")
        self.fetch = ScriptedFetch(json.dumps({"keys": [self.key.jwk]}).encode())
        self.local = open_ports(folder, {})
        self._ports = cast("Ports", _FuzzPorts(self.local, self.fetch))
        self.session = ""
        """A session that is there, once `prepare` has run."""
        self.gateway = Gateway(
            Settings.from_environ(_SETTINGS), clock=self.local.clock, entropy=self.local.entropy
        )

    async def prepare(self) -> None:
        """Have the issuer's keys here, and a session to talk to."""
        made = await self.send("POST", "/sessions", body=b'{"model": "fast"}')
        if made.status != 201:
            raise RuntimeError(f"no session: {made.status} {made.body!r}")
        self.session = json.loads(made.body)["id"]

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        body: bytes = b"",
    ) -> Answer:
        """One request, with a good token unless `headers` has its own; its answer, drained."""

        async def read_body(limit_bytes: int) -> bytes | None:
            return body if len(body) <= limit_bytes else None

        request = Request(
            method=method,
            path=path,
            query=query,
            headers={"authorization": f"Bearer {self.token}", **(headers or {})},
            read_body=read_body,
            country="DE",
            colo="FRA",
        )
        response = await self.gateway.handle(request, self._ports)
        if isinstance(response.body, bytes):
            whole = response.body
        else:
            whole = b"".join([piece async for piece in response.body])
        return Answer(status=response.status, headers=response.headers, body=whole)

    async def settle(self) -> int:
        """Let the work behind the responses end; how much of it has failed so far."""
        await self.local.background.drain(30)
        return self.local.background.failures

    async def close(self) -> None:
        await self.local.close()


def _well_behaved(url: str, body: Mapping[str, Any]) -> UpstreamAnswer:
    """What an honest provider says, in its own words."""
    if "embed" in url:
        asked = body.get("input")
        count = len(asked) if isinstance(asked, list) else 1
        data = [{"object": "embedding", "index": n, "embedding": [0.5, -0.5]} for n in range(count)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        document: Mapping[str, Any] = {"object": "list", "model": "m", "data": data, "usage": usage}
        return UpstreamAnswer(headers=_JSON, pieces=[json.dumps(document).encode()])
    stream = bool(body.get("stream")) or "streamGenerateContent" in url
    shape = next((shape for host, shape in _SHAPES.items() if host in url), None)
    if shape is not None:
        document, events = shape.whole(SAID), shape.events(SAID)
    else:
        document, events = COMPLETION, list(STREAM)
    if stream:
        return UpstreamAnswer(headers=_EVENTS, pieces=events)
    return UpstreamAnswer(headers=_JSON, pieces=[json.dumps(document).encode()])


def _event(document: Any) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
COMPLETION: Mapping[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Grüße! ```python\nprint(1)\n```"},
        }
    ],
    "usage": _USAGE,
}
STREAM: Sequence[bytes] = (
    *(
        _event({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": words}}]})
        for words in ("Grüße, ", "Welt 🌍")
    ),
    _event({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    _event({"id": "c", "model": "m", "choices": [], "usage": _USAGE}),
    b"data: [DONE]\n\n",
)
