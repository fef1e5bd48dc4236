"""What a request may need, before it is sent.

Tokens for the limit a minute: the prompt's (`lumigate.llm.prompt_size`) and the cap on the answer. Money is reserved
for twice the prompt, since no real text has half as many characters a token, and for the dearest candidate; what is
too much comes back when the request settles.
"""

from __future__ import annotations

from collections.abc import Sequence

from lumigate.ledger.book import Ask
from lumigate.ledger.limits import TenantLimits, nano_usd_at_most
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.pricing import ASSUMED_OUTPUT_TOKENS, Prices

_SAFETY = 2


def estimate(
    chat: ChatRequest,
    prices: Sequence[Prices | None],
    limits: TenantLimits,
    *,
    hedged: bool = False,
    beyond_the_cap: int = 0,
) -> Ask:
    """For a model call. `prices` are those of all candidates; `hedged`: two of them may be asked at once.

    `beyond_the_cap` is what an answer of theirs may have over the caller's cap.
    """
    prompt = chat.prompt_tokens_estimate
    answers = chat.answers
    if chat.operation == EMBEDDINGS:
        output = counted = 0
    elif chat.max_tokens is not None:
        output = counted = (chat.max_tokens + beyond_the_cap) * answers
    else:
        output = (ASSUMED_OUTPUT_TOKENS + beyond_the_cap) * answers
        # Without a cap it is a guess, and must not keep out for ever what would fit.
        limit = limits.tokens_per_minute
        counted = output if limit is None else max(0, min(output, limit - prompt))
    tier = chat.service_tier
    bounds = sorted(0.0 if p is None else p.bound_usd(_SAFETY * prompt, output, tier) for p in prices)
    usd = sum(bounds[-2:]) if hedged else max(bounds, default=0.0)
    return Ask(tokens=prompt + counted, nano_usd=nano_usd_at_most(usd))
