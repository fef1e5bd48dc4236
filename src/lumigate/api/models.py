"""GET /v1/models and GET /v1/models/{model}: the names a caller may ask for.

In OpenAI's shape, or in Anthropic's for Anthropic's clients, which send `anthropic-version` with everything.
"""

from __future__ import annotations

from typing import Any

from lumigate.http.paths import parameter
from lumigate.http.types import Response, json_response
from lumigate.llm.dialects.anthropic import VERSION_HEADER
from lumigate.llm.router import Router
from lumigate.scope import Scope

MODELS_ROUTE = "/v1/models"
MODEL_ROUTE = "/v1/models/{model}"
_SOME_TIME = "1970-01-01T00:00:00Z"
"""Both shapes demand a time of creation, and an alias has none."""


class Models:
    """The handlers; their answers do not change while the isolate lives."""

    def __init__(self, router: Router) -> None:
        self._router = router
        owners = {alias: targets[0].route.provider for alias, targets in sorted(router.targets.items())}
        self._openai = {alias: _openai(alias, owner) for alias, owner in owners.items()}
        self._anthropic = {alias: _anthropic(alias) for alias in owners}
        names = list(owners)
        self._openai_list = {"object": "list", "data": list(self._openai.values())}
        self._anthropic_list = {
            "data": list(self._anthropic.values()),
            "has_more": False,
            "first_id": names[0],
            "last_id": names[-1],
        }

    async def list(self, scope: Scope) -> Response:
        """All of them, in one page."""
        return _answer(scope, self._openai_list, self._anthropic_list)

    async def show(self, scope: Scope) -> Response:
        """One of them. Raises `UnknownModel`, with the closest names there are."""
        alias = parameter(MODEL_ROUTE, scope.request.path, "model")
        self._router.policy(alias)
        return _answer(scope, self._openai[alias], self._anthropic[alias])


def _openai(alias: str, owner: str) -> dict[str, Any]:
    return {"id": alias, "object": "model", "created": 0, "owned_by": owner}


def _anthropic(alias: str) -> dict[str, Any]:
    return {"type": "model", "id": alias, "display_name": alias, "created_at": _SOME_TIME}


def _answer(scope: Scope, openai: dict[str, Any], anthropic: dict[str, Any]) -> Response:
    if VERSION_HEADER not in scope.headers:
        return json_response(200, openai)
    return json_response(200, anthropic, {"request-id": scope.facts.request_id})
