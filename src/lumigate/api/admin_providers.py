"""GET and POST /admin/providers: route traffic away from a provider, and back (`lumigate.llm.operator`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from lumigate.api.admin import Body, PlainText, asking_the_store, key_value, read_body
from lumigate.errors import InvalidRequest
from lumigate.http.types import Response, json_response
from lumigate.llm.operator import LONGEST_SECONDS, REFRESH_NS, read_avoided, write_avoided
from lumigate.llm.router import Router
from lumigate.scope import Scope

_SPREAD_SECONDS = 60 + REFRESH_NS // 1_000_000_000
"""KV says a minute (https://developers.cloudflare.com/kv/concepts/how-kv-works/); then isolates read again."""


class _Word(Body):
    """Avoid a provider for so many seconds; 0 takes it back."""

    provider: PlainText
    avoid_seconds: Annotated[int, Field(ge=0, le=LONGEST_SECONDS)]


class AdminProviders:
    """The providers that the routing table names."""

    def __init__(self, router: Router) -> None:
        self._router = router
        routes = [target.route for targets in router.targets.values() for target in targets]
        self._names = sorted({route.provider for route in routes})

    async def show(self, scope: Scope) -> Response:
        """Who is avoided until when, and how their breakers stand in the isolate that answers."""
        with asking_the_store():
            avoided = await read_avoided(key_value(scope))
        return json_response(200, {"object": "list", "data": self._shown(scope, avoided)})

    async def say(self, scope: Scope) -> Response:
        """Put down a word about one provider; the answer says by when it holds everywhere."""
        word = await read_body(scope, _Word)
        if word.provider not in self._names:
            raise InvalidRequest(f"is none of {', '.join(self._names)}", "provider")
        store, now_ns = key_value(scope), scope.clock.now_ns()
        with asking_the_store():
            avoided = await read_avoided(store)
            avoided[word.provider] = now_ns / 1e9 + word.avoid_seconds
            await write_avoided(store, avoided, now_ns / 1e9)
            await self._router.operator.read(store)
        data = self._shown(scope, avoided)
        return json_response(
            200, {"object": "list", "data": data, "effective_within_seconds": _SPREAD_SECONDS}
        )

    def _shown(self, scope: Scope, avoided: Mapping[str, float]) -> list[dict[str, object]]:
        now_ns = scope.clock.now_ns()
        return [
            {
                "provider": name,
                "avoided_until": int(until) if (until := avoided.get(name, 0)) * 1e9 > now_ns else None,
                "breaker": self._router.health.breaker(name).state(now_ns),
            }
            for name in self._names
        ]
