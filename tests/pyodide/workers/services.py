"""What a Worker sees of a secret of a Secrets Store and of another service."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

import json
from typing import Any

from router import Routed  # type: ignore[import-not-found]
from workers import Response, import_from_javascript

KEPT: list[Any] = []


def bound(name: str) -> Any:
    return getattr(import_from_javascript("cloudflare:workers").env, name)


class Default(Routed):
    async def _looks(self, request: Any, query: Any) -> Any:
        seen = [
            [each.constructor.name, callable(each.get), callable(each.whatever), hasattr(each, "then")]
            for each in (bound("SECRET"), bound("PARTNER"))
        ]
        return Response(json.dumps(seen))

    async def _get(self, request: Any, query: Any) -> Any:
        return Response(await bound(query.get("of")).get())

    async def _wrapped(self, request: Any, query: Any) -> Any:
        return Response(await self.env.SECRET.get())

    async def _keep(self, request: Any, query: Any) -> Any:
        KEPT.append(bound("SECRET").get())
        return Response(await KEPT[0])

    async def _share(self, request: Any, query: Any) -> Any:
        return Response(await KEPT[0])
