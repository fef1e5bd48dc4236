"""What a request may need, before it is sent.

Tokens for the limit a minute: about four ASCII characters a token, one for each other character of Asian scripts, and
the cap on the answer. Money is reserved for twice the prompt, since no real text has half as many characters a token,
and for the dearest candidate; what is too much comes back when the request settles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lumigate.ledger.book import Ask
from lumigate.ledger.limits import TenantLimits, nano_usd_at_most
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.pricing import ASSUMED_OUTPUT_TOKENS, Prices

_CHARS_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4
_TOKENS_A_PART = 1000
"""Of a picture and the like."""
_SAFETY = 2


def estimate(
    chat: ChatRequest, prices: Sequence[Prices | None], limits: TenantLimits, *, hedged: bool = False
) -> Ask:
    """For a model call. `prices` are those of all candidates; `hedged`: two of them may be asked at once."""
    prompt = prompt_tokens(chat)
    answers = chat.body.get("n")
    answers = answers if type(answers) is int and answers > 0 else 1
    if chat.operation == EMBEDDINGS:
        output = counted = 0
    elif chat.max_tokens is not None:
        output = counted = chat.max_tokens * answers
    else:
        output = ASSUMED_OUTPUT_TOKENS * answers
        # Without a cap it is a guess, and must not keep out for ever what would fit.
        limit = limits.tokens_per_minute
        counted = output if limit is None else max(0, min(output, limit - prompt))
    bounds = sorted(0.0 if p is None else p.bound_usd(_SAFETY * prompt, output) for p in prices)
    usd = sum(bounds[-2:]) if hedged else max(bounds, default=0.0)
    return Ask(tokens=prompt + counted, nano_usd=nano_usd_at_most(usd))


def prompt_tokens(chat: ChatRequest) -> int:
    """A rough count of the tokens that go in."""
    tokens = sum(_part_tokens(part) for part in _parts(chat.body))
    if tools := chat.body.get("tools"):
        tokens += _text_tokens(str(tools))
    return tokens


def _parts(body: Mapping[str, Any]) -> Iterator[Any]:
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        yield _TOKENS_A_MESSAGE
        yield from (content,) if isinstance(content, str) else content or ()
        if isinstance(message, dict) and (calls := message.get("tool_calls")):
            yield str(calls)
    given = body.get("input")
    yield from _inputs(given) if isinstance(given, list) else (given,) if isinstance(given, str) else ()


def _inputs(given: Iterable[Any]) -> Iterator[Any]:
    """Texts, or tokens by their numbers, alone or in lists."""
    for item in given:
        yield len(item) if isinstance(item, list) else 1 if isinstance(item, int) else item


def _part_tokens(part: Any) -> int:
    """An integer is a count already."""
    if isinstance(part, int):
        return part
    text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
    return _text_tokens(text) if isinstance(text, str) else _TOKENS_A_PART


def _text_tokens(text: str) -> int:
    if text.isascii():
        return -(-len(text) // _CHARS_A_TOKEN)
    # A character of Chinese or Japanese has three bytes in UTF-8: two more than it has characters.
    further_bytes = len(text.encode("utf-8", "surrogatepass")) - len(text)
    return -(-(len(text) + further_bytes * 3 // 2) // _CHARS_A_TOKEN)
