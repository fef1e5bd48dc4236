"""A gateway with sessions, over fakes, and the answers that the model will give."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.fakes import (
    UPSTREAM_URL,
    WITH_KEY,
    FakeSessions,
    GatewayUnderTest,
    completion,
    fake_ports,
    json_answer,
    make_gateway,
    whole_body,
)

KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()
FIRST = "Here:\n```python main.py\nx = 1\ny = 2\n```\n"
SECOND = "Now:\n```python\nx = 1\ny = 3\n```\n"


class Rig:
    """A gateway with sessions, and the answers that the model will give."""

    def __init__(self, **environ: Any) -> None:
        ports = fake_ports()
        self.sessions = ports.sessions = FakeSessions(ports.clock, **environ)
        self.ports = ports
        self.under = self.gateway(SEALING_KEYS=KEYS, **environ)

    def gateway(self, **environ: Any) -> GatewayUnderTest:
        """Another isolate over the same ports."""
        return make_gateway(self.ports, **environ)

    def answers(self, *texts: str) -> None:
        self.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion(text)) for text in texts))

    async def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        response = await self.under.send(
            method, path, body=b"" if body is None else body, headers={**WITH_KEY, **headers}
        )
        return response.status, json.loads(await whole_body(response))

    async def begin(self, **body: Any) -> str:
        status, made = await self.send("POST", "/sessions", {"model": "fast", **body})
        assert status == 201
        return str(made["id"])

    async def say(self, session: str, content: str = "Go on.", **more: Any) -> tuple[int, dict[str, Any]]:
        headers = more.pop("headers", {})
        return await self.send(
            "POST", f"/sessions/{session}/messages", {"content": content, **more}, **headers
        )

    def asked(self, number: int = -1) -> list[dict[str, str]]:
        """The messages that the model was sent."""
        messages: list[dict[str, str]] = self.ports.fetch.calls[number].json["messages"]
        return messages
