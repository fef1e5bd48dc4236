"""What a call that has ended is counted as: its tokens, its money, and what it says of its provider's health."""

from __future__ import annotations

from collections.abc import Mapping

from lumigate.errors import InternalError, LumigateError, UpstreamRefused
from lumigate.llm.chat import ChatRequest
from lumigate.llm.health import BreakerState, Health
from lumigate.llm.provider import Answer
from lumigate.llm.router import Target
from lumigate.scope import Scope
from lumigate.telemetry import Span

_SAYS_NOTHING = frozenset({"client_abort", "hedge_lost"})
"""Results that are neither the provider's fault nor its merit."""


def cost_of(
    scope: Scope,
    target: Target,
    chat: ChatRequest,
    answer: Answer,
    result: str,
    *,
    output_tokens_estimate: int,
) -> tuple[float, str]:
    """What the call cost, and how we know: from `usage`, the `provider`'s own word, or `estimated`.

    Nothing where no answer began, or where nobody knows a price, which is counted by the model's name. What had to be
    estimated stands in `answer` afterwards.
    """
    if answer.cost_usd is not None:
        return answer.cost_usd, "provider"
    source = "usage"
    if answer.input_tokens is None and answer.output_tokens is None:
        if result != "ok" and not output_tokens_estimate:
            return 0.0, ""
        answer.input_tokens = chat.prompt_tokens_estimate
        answer.output_tokens = output_tokens_estimate
        source = "estimated"
    elif (
        result != "ok" and not answer.finish_reasons and output_tokens_estimate > (answer.output_tokens or 0)
    ):
        # Some count at the beginning and at the end: an answer that was cut has more in it than the beginning told.
        answer.output_tokens = output_tokens_estimate
        source = "estimated"
    prices = target.prices
    if prices is None:
        scope.instruments.llm_unpriced.add(1, target.labels)
        return 0.0, ""
    scope.instruments.llm_priced.add(1, {"lumigate.llm.price.source": prices.source})
    return prices.cost_usd(answer), source


def count_call(
    scope: Scope,
    answer: Answer,
    result: str,
    elapsed_ns: int,
    *,
    labels: Mapping[str, str],
    model_labels: Mapping[str, str],
    span: Span,
    cost_usd: float,
    source: str,
) -> None:
    """Its time, its outcome, its tokens and its price. `labels` are those of a model and what was asked of it."""
    instruments = scope.instruments
    timed = labels if result == "ok" else {**labels, "error.type": result}
    instruments.llm_duration.record(elapsed_ns / 1e9, timed, span=span)
    instruments.llm_attempts.add(1, {**model_labels, "lumigate.llm.result": result})
    for instrument, tokens in (
        (instruments.llm_input_tokens, answer.input_tokens),
        (instruments.llm_output_tokens, answer.output_tokens),
        (instruments.llm_cache_read_tokens, answer.cache_read_tokens),
        (instruments.llm_cache_write_tokens, answer.cache_write_tokens),
        (instruments.llm_reasoning_tokens, answer.reasoning_tokens),
    ):
        if tokens:
            instrument.add(tokens, labels)
    if cost_usd:
        money_labels = {
            "lumigate.llm.cost.source": source,
            "lumigate.tenant.class": scope.facts.tenant_class,
        }
        instruments.llm_cost.add(cost_usd, {**model_labels, **money_labels})


def tell_health(
    scope: Scope,
    health: Health,
    target: Target,
    result: str,
    error: LumigateError | None,
    elapsed_ns: int,
    *,
    stream: bool,
) -> None:
    """A provider is failing when it fails us, and well when it refuses a request for good reasons."""
    if result in _SAYS_NOTHING:
        return
    breaker = health.breaker(target.route.provider)
    if result == "ok" or isinstance(error, UpstreamRefused):
        count_transition(scope, target, breaker.succeeded())
        if result == "ok" and not stream:
            health.measured(target.name, elapsed_ns / 1e6, stream=False)
    elif not isinstance(error, InternalError):
        count_transition(scope, target, breaker.failed(scope.clock.now_ns()))


def count_transition(scope: Scope, target: Target, state: BreakerState | None) -> None:
    """A breaker's change of state, where there is one."""
    if state is not None:
        labels = {
            "gen_ai.provider.name": target.labels["gen_ai.provider.name"],
            "lumigate.llm.breaker.state": state,
        }
        scope.instruments.llm_breaker_transitions.add(1, labels)
