"""From the model a caller names to the provider that will answer."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from lumigate.config import ModelRoute, ProviderAccess
from lumigate.errors import UnknownModel
from lumigate.llm.provider import Provider
from lumigate.llm.providers import PROVIDERS
from lumigate.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A provider ready to be called for one model."""

    alias: str
    route: ModelRoute
    access: ProviderAccess
    provider: Provider

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """What that usage costs at the routing table's prices; 0 where it names none."""
        route = self.route
        return (
            input_tokens * (route.input_usd_per_mtok or 0.0)
            + output_tokens * (route.output_usd_per_mtok or 0.0)
        ) / 1e6


class Router:
    """The routing table of `MODELS`."""

    def __init__(
        self, models: Mapping[str, tuple[ModelRoute, ...]], providers: Mapping[str, ProviderAccess]
    ) -> None:
        self._targets = {
            alias: Target(
                alias=alias,
                route=routes[0],
                access=providers[routes[0].provider],
                provider=PROVIDERS[providers[routes[0].provider].api],
            )
            for alias, routes in models.items()
        }

    @property
    def targets(self) -> Mapping[str, Target]:
        return self._targets

    def policy(self, model: str) -> str:
        """What a name stands for, in a form that changes when the table does: part of every cache key.

        Raises `UnknownModel`, with the closest names there are.
        """
        target = self._targets.get(model)
        if target is None:
            closest = difflib.get_close_matches(model, self._targets, n=2, cutoff=0.6)
            raise UnknownModel(model, tuple(closest))
        return f"{target.route.provider}/{target.route.model}"

    def choose(self, scope: Scope, model: str) -> Target:
        """The provider for a model that `policy` knows."""
        with scope.step("llm.route", attributes={"lumigate.model.alias": model}) as step:
            target = self._targets[model]
            step.span.set_attributes(
                {"gen_ai.provider.name": target.route.provider, "gen_ai.request.model": target.route.model}
            )
            scope.instruments.route_duration.record(step.seconds, {}, span=step.span)
        scope.facts.provider = target.route.provider
        scope.facts.model = target.route.model
        return target
