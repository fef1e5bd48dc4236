"""What a caller who has been let in may do: scopes that routes and models ask for.

Nothing is asked for unless settings do, apart from the admin routes, which always ask for `admin`. A rule that names a
route or a model that there is not stops the start: it would protect nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lumigate.auth.settings import PolicyRules
from lumigate.errors import ConfigurationError, MissingScope
from lumigate.scope import Scope

ADMIN_SCOPE = "admin"
ADMIN_PREFIX = "/admin/"

_PART_OF: Mapping[str, str] = {"/v1/models/{model}": "/v1/models"}
"""Routes that tell a part of what another does, and ask for the same unless a rule of their own says otherwise."""


class RoutePolicy:
    """Scopes by route, named by its template. Built from settings; pure."""

    def __init__(self, rules: PolicyRules, routes: Collection[str]) -> None:
        """`routes` are the templates of routes that callers are authenticated for. Raises `ConfigurationError`."""
        for route in rules.routes:
            if route not in routes:
                raise ConfigurationError(
                    f"POLICY.routes.{route[:64]}", "is no route that asks who is calling"
                )
        self._required: Mapping[str, tuple[str, ...]] = {
            route: (
                *((ADMIN_SCOPE,) if route.startswith(ADMIN_PREFIX) else ()),
                *rules.routes.get(route, rules.routes.get(_PART_OF.get(route, route), ())),
            )
            for route in routes
        }

    def check(self, scope: Scope) -> None:
        """Raises `MissingScope`."""
        _require(scope, self._required.get(scope.facts.route, ()), "route")


class ModelPolicy:
    """Scopes by the name that callers ask for; a rule for `gpt-*` is for all names that begin so."""

    def __init__(self, rules: PolicyRules, models: Collection[str]) -> None:
        """Raises `ConfigurationError`."""
        self._exact: dict[str, tuple[str, ...]] = {}
        self._families: list[tuple[str, tuple[str, ...]]] = []
        for name, scopes in rules.models.items():
            family = name.removesuffix("*")
            is_family = family != name
            if not any(model.startswith(family) if is_family else model == name for model in models):
                raise ConfigurationError(f"POLICY.models.{name[:64]}", "is no name in MODELS")
            if is_family:
                self._families.append((family, scopes))
            else:
                self._exact[name] = scopes
        self._families.sort(key=lambda entry: len(entry[0]), reverse=True)

    def check(self, scope: Scope, model: str) -> None:
        """Raises `MissingScope`. The rule of the exact name goes before that of the longest family."""
        required = self._exact.get(model)
        if required is None:
            required = next((scopes for family, scopes in self._families if model.startswith(family)), ())
        _require(scope, required, "model")


def _require(scope: Scope, required: tuple[str, ...], on: str) -> None:
    if not required:
        return
    held = scope.caller.scopes if scope.caller is not None else frozenset()
    missing = tuple(name for name in required if name not in held)
    result = "missing_scope" if missing else "allowed"
    labels = {"lumigate.policy.on": on, "lumigate.policy.result": result}
    scope.span.add_event("policy.decision", labels)
    scope.instruments.policy_decisions.add(1, labels)
    if missing:
        scope.facts.auth_reason = result
        raise MissingScope(on, missing)
