"""GET /v1/models: the names a caller may ask for, in OpenAI's shape, or in Anthropic's for Anthropic's clients."""

from __future__ import annotations

from lumigate.http.types import Response, json_response
from lumigate.llm.router import Router
from lumigate.scope import Scope

_SOME_TIME = "1970-01-01T00:00:00Z"
"""Both shapes demand a time of creation, and an alias has none."""


class Models:
    """The handler; its answers do not change while the isolate lives."""

    def __init__(self, router: Router) -> None:
        owners = {alias: targets[0].route.provider for alias, targets in sorted(router.targets.items())}
        data = [
            {"id": alias, "object": "model", "created": 0, "owned_by": owner}
            for alias, owner in owners.items()
        ]
        self._openai = {"object": "list", "data": data}
        names = list(owners)
        self._anthropic = {
            "data": [
                {"type": "model", "id": alias, "display_name": alias, "created_at": _SOME_TIME}
                for alias in names
            ],
            "has_more": False,
            "first_id": names[0],
            "last_id": names[-1],
        }

    async def __call__(self, scope: Scope) -> Response:
        anthropics = "anthropic-version" in scope.headers
        return json_response(200, self._anthropic if anthropics else self._openai)
