"""From the model a caller names to the candidates that may answer, best first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from lumigate import strict_json
from lumigate.config import ModelRoute, ProviderAccess, Settings
from lumigate.errors import CostCeilingExceeded, GeoDenied, UnknownModel
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.geography import GeographicPolicy
from lumigate.llm.health import Health
from lumigate.llm.operator import OperatorWord
from lumigate.llm.own_secrets import own_secrets
from lumigate.llm.pricing import ASSUMED_OUTPUT_TOKENS, Prices, prices_of
from lumigate.llm.provider import Provider
from lumigate.llm.providers import CONVENTIONAL_NAMES, PROVIDERS
from lumigate.llm.ranking import Standing, rank
from lumigate.ports import KeyValue
from lumigate.region import outside, refuse
from lumigate.scope import Scope

SNAPSHOT_KEY = "lumigate:health:v1"
SNAPSHOT_TTL_SECONDS = 86_400
_ASSUMED_OUTPUT_TOKENS = 500
"""Of a request that sets no cap: only the proportions of costs matter here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A provider ready to be called for one model."""

    alias: str
    route: ModelRoute
    access: ProviderAccess
    provider: Provider
    prices: Prices | None = None
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    """What its answers may not quote."""

    @property
    def name(self) -> str:
        """`provider/model`: what a candidate is known by."""
        return f"{self.route.provider}/{self.route.model}"

    def answer_tokens(self, chat: ChatRequest) -> int:
        """What may come out of it at most for this request; a guess where the request sets no cap."""
        if chat.operation == EMBEDDINGS:
            return 0
        # A request in Anthropic's own words has its thoughts inside its cap.
        beyond = self.provider.beyond_the_cap(self.route, chat.body) if chat.native is None else 0
        return ((chat.max_tokens or ASSUMED_OUTPUT_TOKENS) + beyond) * chat.answers

    @property
    def labels(self) -> dict[str, str]:
        """Whose model it is, in telemetry's words. A dict of its own, to be kept as it is."""
        return _labels(self.route.provider, self.route.model)


@lru_cache(maxsize=1024)
def _labels(provider: str, model: str) -> dict[str, str]:
    return {
        "gen_ai.provider.name": CONVENTIONAL_NAMES.get(provider, provider),
        "gen_ai.request.model": model,
    }


class Router:
    """The routing table of `MODELS`, and what is known of those in it. One an isolate."""

    def __init__(self, settings: Settings) -> None:
        self._weights = settings.routing_weights
        self._geography = GeographicPolicy(
            policy=settings.geo_policy,
            allow=frozenset(settings.geo_allow_countries),
            deny=frozenset(settings.geo_deny_countries),
        )
        self._ceiling_usd = settings.max_request_cost_usd
        self.health = Health()
        self.operator = OperatorWord()
        self._asked_for_seed = False
        self._targets = {
            alias: tuple(_target(alias, route, settings.providers[route.provider]) for route in routes)
            for alias, routes in settings.models.items()
        }
        self._has_choice = any(len(targets) > 1 for targets in self._targets.values())

    @property
    def targets(self) -> Mapping[str, Sequence[Target]]:
        return self._targets

    def policy(self, model: str, country: str = "", region: str = "") -> str:
        """What a name stands for to a caller from there, in a form that changes when the table does.

        Part of every cache key, so that nobody gets the words of a candidate that may not answer them.
        Raises `UnknownModel`, with the closest names there are.
        """
        targets = self._targets.get(model)
        if targets is None:
            import difflib  # 20 ms of a start that few requests need

            closest = difflib.get_close_matches(model, self._targets, n=2, cutoff=0.6)
            raise UnknownModel(model, tuple(closest))
        names = "|".join(t.name for t in targets if self._permits(country, region, t))
        return f"{region}:{names}" if region else names

    def admit(self, scope: Scope) -> None:
        """Raise `GeoDenied` for a caller whom nobody here answers; before the cache, since it is about the caller."""
        if not self._geography.serves(scope.facts.country):
            self._count_geography(scope, "refused")
            raise GeoDenied(scope.facts.country)

    def choose(self, scope: Scope, chat: ChatRequest) -> list[Target]:
        """The candidates for a model that `policy` knows, best first. Raises `GeoDenied` when none is left.

        Those whose provider is failing come last: with nobody else to ask, asking them is better than asking no one.
        """
        self._seed(scope)
        candidates = self._targets[chat.model]
        country = scope.facts.country
        region = scope.facts.region
        within = [t for t in candidates if not region or t.route.region == region]
        permitted = [t for t in within if self._geography.permits(country, t.route)]
        attributes = {
            "lumigate.model.alias": chat.model,
            "lumigate.route.candidates": len(candidates),
            "lumigate.geo.policy": self._geography.name,
            "lumigate.geo.excluded": len(within) - len(permitted),
        }
        with scope.step("llm.route", attributes=attributes) as step:
            if not within:
                raise refuse(scope)
            if len(permitted) < len(within):
                self._count_geography(scope, "narrowed" if permitted else "refused")
            if not permitted:
                raise GeoDenied(country)
            permitted = self._affordable(permitted, chat)
            ranked = self._rank(permitted, chat) if len(permitted) > 1 else permitted
            now_ns = scope.clock.now_ns()
            up: list[Target] = []
            down: list[Target] = []
            for target in ranked:
                provider = target.route.provider
                admitted = self.health.breaker(provider).admits(now_ns)
                admitted = admitted and not self.operator.avoids(provider, now_ns)
                (up if admitted else down).append(target)
            best = (up or down)[0]
            step.span.set_attributes(best.labels)
            step.span.set_attribute("lumigate.route.order", [target.name for target in (*up, *down)])
            if down:
                failing = {t.route.provider: t.labels["gen_ai.provider.name"] for t in down}
                step.span.set_attribute("lumigate.route.failing", sorted(failing))
                if up:
                    for name in failing.values():
                        scope.instruments.llm_passed_over.add(1, {"gen_ai.provider.name": name})
            seconds = step.seconds
            scope.instruments.route_duration.record(seconds, {}, span=step.span)
            scope.facts.route_ns = round(seconds * 1e9)
        # With one left that is healthy, the failing stay out of it; with none, the first of them is the last resort.
        return up or down[:1]

    def _permits(self, country: str, region: str, target: Target) -> bool:
        """Whether a candidate may answer a caller from there, with data that must stay in `region`."""
        if region and target.route.region != region:
            return False
        return self._geography.permits(country, target.route)

    def _count_geography(self, scope: Scope, result: str) -> None:
        labels = {"lumigate.geo.policy": self._geography.name, "lumigate.geo.result": result}
        scope.instruments.geo_decisions.add(1, labels)

    def _affordable(self, targets: list[Target], chat: ChatRequest) -> list[Target]:
        """Those that cannot cost more than one request may. Raises `CostCeilingExceeded` when none is left."""
        ceiling_usd = self._ceiling_usd
        if ceiling_usd is None:
            return targets
        prompt = chat.prompt_tokens_estimate
        bounds = [
            0.0 if t.prices is None else t.prices.bound_usd(prompt, t.answer_tokens(chat), chat.service_tier)
            for t in targets
        ]
        within = [t for t, bound_usd in zip(targets, bounds, strict=True) if bound_usd <= ceiling_usd]
        if not within:
            raise CostCeilingExceeded(min(bounds), ceiling_usd)
        return within

    def _rank(self, targets: Sequence[Target], chat: ChatRequest) -> list[Target]:
        prompt = chat.prompt_tokens_estimate
        output = chat.max_tokens or _ASSUMED_OUTPUT_TOKENS
        standings = [
            Standing(
                self.health.latency_ms(target.name, stream=chat.stream),
                None if target.prices is None else target.prices.bound_usd(prompt, output),
                target.route.quality,
            )
            for target in targets
        ]
        return [targets[position] for position, _ in rank(standings, self._weights)]

    # --- what isolates tell each other ------------------------------------------------------------------------------

    def _seed(self, scope: Scope) -> None:
        """Read what others have measured (once an isolate) and said, beside the request: nobody waits for it."""
        store = outside(scope.ports).key_value  # what it holds is the gateway's own
        if store is None or not self._has_choice:
            return
        if not self._asked_for_seed:
            self._asked_for_seed = True
            scope.ports.background(self._read_snapshot(store))
        if self.operator.is_due(scope.clock.now_ns()):
            scope.ports.background(self.operator.read(store))

    async def _read_snapshot(self, store: KeyValue) -> None:
        try:
            stored = await store.get(SNAPSHOT_KEY)
        except Exception:  # knowing less is no failure
            return
        if stored is not None:
            self.health.seed(strict_json.load_object(stored) or {})

    async def refresh_snapshot(self, store: KeyValue) -> None:
        """Write down what is known, for isolates that begin: the cron trigger's work. Raises nothing."""
        await self._read_snapshot(store)
        snapshot = self.health.snapshot()
        if not snapshot["latency_ms"]:
            return
        try:
            await store.put(SNAPSHOT_KEY, json.dumps(snapshot).encode(), ttl_seconds=SNAPSHOT_TTL_SECONDS)
        except Exception:
            return


def _target(alias: str, route: ModelRoute, access: ProviderAccess) -> Target:
    provider = PROVIDERS[access.api]
    return Target(
        alias=alias,
        route=route,
        access=access,
        provider=provider,
        prices=prices_of(route),
        secrets=own_secrets(access),
    )
