from __future__ import annotations

from typing import Any

import pytest

from lumigate.ledger import TenantLimits
from lumigate.ledger.estimate import estimate
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.pricing import Prices, Rates

ANY = TenantLimits(usd_per_day=1)
CHEAP = Prices(usual=Rates.of((1.0, None, None, 2.0, None)))
DEAR = Prices(usual=Rates.of((10.0, None, None, 20.0, None)))


def chat(**body: Any) -> ChatRequest:
    return ChatRequest.parse({"model": "m", "messages": [{"role": "user", "content": "x" * 400}], **body})


def test_ascii_is_four_characters_a_token_and_japanese_one() -> None:
    assert chat().prompt_tokens_estimate == 104
    japanese = chat(messages=[{"role": "user", "content": "日本語のテキストです" * 10}])
    assert japanese.prompt_tokens_estimate == 104


def test_everything_that_goes_in_is_counted() -> None:
    parts = [{"type": "text", "text": "x" * 40}, {"type": "image_url", "image_url": {"url": "data:"}}]
    assert chat(messages=[{"role": "user", "content": parts}]).prompt_tokens_estimate == 1014
    tools = [{"type": "function", "function": {"name": "f" * 4000}}]
    assert chat(tools=tools).prompt_tokens_estimate > 1100
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "x" * 4000}}]
    assert chat(messages=[{"role": "assistant", "tool_calls": calls}]).prompt_tokens_estimate > 1000


@pytest.mark.parametrize(
    ("given", "tokens"), [("x" * 40, 10), (["x" * 40, "x" * 4], 11), ([1, 2, 3], 3), ([[1, 2], [3]], 3)]
)
def test_embeddings_are_counted_as_texts_or_as_tokens(given: Any, tokens: int) -> None:
    request = ChatRequest(
        model="m",
        stream=False,
        wants_usage=False,
        max_tokens=None,
        temperature=None,
        top_p=None,
        body={"model": "m", "input": given},
        operation=EMBEDDINGS,
    )
    assert estimate(request, [CHEAP], ANY).tokens == tokens


def test_money_is_that_of_the_dearest_candidate_and_of_two_where_two_may_be_asked_at_once() -> None:
    request = chat(max_tokens=1000)
    alone = estimate(request, [CHEAP, DEAR, None], ANY).nano_usd
    assert alone == (208 * 10_000 + 1000 * 20_000)
    assert estimate(request, [CHEAP, DEAR, None], ANY, hedged=True).nano_usd == alone * 11 // 10
    assert estimate(request, [None], ANY).nano_usd == 0


def test_every_answer_asked_for_is_counted() -> None:
    assert estimate(chat(max_tokens=100, n=5), [CHEAP], ANY).tokens == 604


def test_without_a_cap_tokens_are_guessed_within_the_limit_and_money_is_not() -> None:
    few = TenantLimits(tokens_per_minute=1000)
    guessed = estimate(chat(), [CHEAP], few)
    assert guessed.tokens == 1000
    assert guessed.nano_usd == 208 * 1000 + 4096 * 2000
    assert estimate(chat(), [CHEAP], ANY).tokens == 104 + 4096
    too_long = TenantLimits(tokens_per_minute=50)
    assert estimate(chat(), [CHEAP], too_long).tokens == 104
