"""What an answer costs: prices from the routing table, else from the built-in one; usage from the provider.

Cached, cache-writing and reasoning tokens have prices of their own where the table knows them; a tier holds for all
tokens once the prompt is longer than its threshold; a service tier (`batch`, `flex`, `priority`) has its own prices.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lumigate.llm.price_table import PRICES, SOURCE
from lumigate.llm.provider import Answer
from lumigate.model_table import ModelRoute

ASSUMED_OUTPUT_TOKENS = 4096
"""Of a request without a cap, where its cost must be bounded before it is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per million tokens."""

    input: float
    cached: float
    written: float
    output: float
    reasoning: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Rates:
        """From input, cached, written, output, reasoning: what is not known costs as much as its kind does."""
        fresh, cached, written, output, reasoning = values
        fresh, output = fresh or 0.0, output or 0.0
        return cls(
            input=fresh,
            cached=fresh if cached is None else cached,
            written=fresh if written is None else written,
            output=output,
            reasoning=output if reasoning is None else reasoning,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The rates of one model: the usual ones, those for long prompts (`tiers`, rising), those of service tiers."""

    usual: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    service: tuple[tuple[str, Rates], ...] = ()
    source: str = SOURCE
    """Whose prices they are, for telemetry."""

    def rates(self, input_tokens: int, service_tier: str = "") -> Rates:
        for name, rates in self.service:
            if name == service_tier:
                return rates
        chosen = self.usual
        for threshold, rates in self.tiers:
            if input_tokens > threshold:
                chosen = rates
        return chosen

    def cost_usd(self, answer: Answer) -> float:
        """What that usage costs."""
        prompt, completion = answer.input_tokens or 0, answer.output_tokens or 0
        rates = self.rates(prompt, answer.service_tier)
        read, written = answer.cache_read_tokens, answer.cache_write_tokens
        thought = min(answer.reasoning_tokens, completion)
        return (
            max(0, prompt - read - written) * rates.input
            + read * rates.cached
            + written * rates.written
            + (completion - thought) * rates.output
            + thought * rates.reasoning
        ) / 1e6

    def bound_usd(self, input_tokens: int, output_tokens: int, service_tier: str = "") -> float:
        """What a request of that size costs at most, if nothing of it is cached, with the tier that it asks for."""
        return max(
            (
                input_tokens * max(rates.input, rates.written)
                + output_tokens * max(rates.output, rates.reasoning)
            )
            / 1e6
            for rates in (self.rates(input_tokens), self.rates(input_tokens, service_tier))
        )


def prices_of(route: ModelRoute) -> Prices | None:
    """The prices of a candidate; None where nobody knows any."""
    if route.input_usd_per_mtok is not None or route.output_usd_per_mtok is not None:
        own = (
            route.input_usd_per_mtok,
            route.cached_input_usd_per_mtok,
            None,
            route.output_usd_per_mtok,
            None,
        )
        return Prices(usual=Rates.of(own), source="settings")
    model = route.model.lower()
    for rule, usual, tiers, service in PRICES.get(route.provider, ()):
        if _meets(model, rule):
            return Prices(
                usual=Rates.of(usual),
                tiers=tuple((threshold, Rates.of(values)) for threshold, *values in tiers),
                service=tuple((name, Rates.of(values)) for name, *values in service),
            )
    return None


def _meets(model: str, rule: Sequence[Any]) -> bool:
    """Whether a model's name, in lower case, meets a rule of the table."""
    kind, *operands = rule
    match kind:
        case "or":
            return any(_meets(model, operand) for operand in operands)
        case "and":
            return all(_meets(model, operand) for operand in operands)
        case "is":
            return bool(model == operands[0])
        case "starts":
            return model.startswith(operands[0])
        case "ends":
            return model.endswith(operands[0])
        case "has":
            return operands[0] in model
    return re.search(operands[0], model) is not None
