"""GET /v1/models: the names a caller may ask for, in OpenAI's shape."""

from __future__ import annotations

from lumigate.http.types import Response, json_response
from lumigate.llm.router import Router
from lumigate.scope import Scope


class Models:
    """The handler; its answer does not change while the isolate lives."""

    def __init__(self, router: Router) -> None:
        # `created` is required by the shape and means nothing for an alias.
        data = [
            {"id": alias, "object": "model", "created": 0, "owned_by": targets[0].route.provider}
            for alias, targets in sorted(router.targets.items())
        ]
        self._content = {"object": "list", "data": data}

    async def __call__(self, scope: Scope) -> Response:
        return json_response(200, self._content)
