"""A prompt as near matching sees it: what stands around it, what it says, and its signature. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate.cache.key import cache_key
from lumigate.cache.near.minhash import shingles, signature
from lumigate.cache.near.words import MAX_CHARS, turned, words_that_count


@dataclass(frozen=True, slots=True, kw_only=True)
class NearQuery:
    """`context` is the same for requests that differ in the last message only; `meaning` is that of its words.

    Two prompts are taken for the same only if their meanings are equal: no number, name or negation may differ; or if
    an embedding says so of two of one `core`.
    """

    context: str
    meaning: str
    signature: tuple[int, ...]
    text: str


def near_query(namespace: str, policy: str, body: Mapping[str, Any], *, any_form: bool) -> NearQuery | None:
    """None where nothing can be near: the last message is not a user's, holds more than text, or is long."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    *before, last = messages
    text = _text_of(last)
    if text is None or not 0 < len(text) <= MAX_CHARS:
        return None
    words = words_that_count(text)
    if not words:
        return None
    around = {**body, "messages": [*before, {**last, "content": None}]}
    meaning = "\0".join(turned(words)).encode("utf-8", "surrogatepass")
    return NearQuery(
        context=cache_key(namespace=namespace, policy=f"near {policy}", body=around, any_form=any_form),
        meaning=hashlib.blake2b(meaning, digest_size=8).hexdigest(),
        signature=signature(shingles(words)),
        text=text,
    )


def _text_of(message: Any) -> str | None:
    if not isinstance(message, dict) or message.get("role") != "user":
        return None
    content = message.get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text") if content[0].get("type") == "text" else None
    return content if isinstance(content, str) else None
