"""A gateway whose one model has several candidates, and the ways in which they fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lumigate.ports import FetchError
from tests.fakes import FakeAnswer, GatewayUnderTest, completion, json_answer, make_gateway

ALPHA, BETA, GAMMA = (f"https://{name}.example/chat/completions" for name in ("alpha", "beta", "gamma"))


def candidate(provider: str, **more: Any) -> dict[str, Any]:
    return {"provider": provider, "model": f"{provider}-model", "input_usd_per_mtok": 1, **more}


def make_rig(*names: str, candidates: list[dict[str, Any]] | None = None, **environ: Any) -> GatewayUnderTest:
    """A gateway whose alias `fast` stands for candidates of equal standing, in this order."""
    providers = ("alpha", "beta", "gamma")
    table = {"fast": candidates or [candidate(name) for name in names]}
    return make_gateway(
        MODELS=json.dumps(table),
        PROVIDERS=json.dumps({name: {"base_url": f"https://{name}.example"} for name in providers}),
        **{"RETRY_ATTEMPTS": "2", **environ},
    )


def refusal(status: int, **headers: str) -> FakeAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return json_answer({"error": {"message": "no"}}, status, named)


def good(content: str = "Hi.") -> FakeAnswer:
    return json_answer(completion(content))


FAULTS_WORTH_A_RETRY: dict[str, Callable[[], FakeAnswer | Exception]] = {
    "429": lambda: refusal(429),
    "408": lambda: refusal(408),
    "500": lambda: refusal(500),
    "503": lambda: refusal(503),
    "529": lambda: refusal(529),
    "reset": lambda: FetchError("connection"),
}
