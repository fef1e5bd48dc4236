"""How many tokens go in, before a tokenizer has seen them: a rough count, for limits, budgets and prices.

About four ASCII characters a token, one token for each character of Asian scripts, and a flat number for a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_CHARS_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4
_TOKENS_A_PART = 1000
"""Of a picture and the like."""
_ALSO_READ = ("tools", "functions", "response_format", "prediction")
"""What a model reads, and is paid for, beside the messages."""


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Of a canonical request, for a chat or for embeddings."""
    tokens = sum(_part_tokens(part) for part in _parts(body))
    for name in _ALSO_READ:
        if given := body.get(name):
            tokens += _text_tokens(str(given))
    return tokens


def prompt_tokens_in(value: Any) -> int:
    """Of a request in words that canonical form cannot say: all text that it holds, and a flat number for data."""
    if isinstance(value, str):
        return _text_tokens(value)
    if isinstance(value, list):
        return sum(map(prompt_tokens_in, value))
    if isinstance(value, dict):
        if value.get("type") == "base64":
            return _TOKENS_A_PART
        return sum(map(prompt_tokens_in, value.values()))
    return 0


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
