"""What the mock model says: the same answer for the same prompt, with fenced code now and then.

Deterministic and cheap: words are chosen by a digest of the prompt, vectors are made from it.
"""

from __future__ import annotations

import base64
import hashlib
import math
import random
from array import array
from functools import lru_cache

# Some are not ASCII, so that streams have UTF-8 sequences to be cut through.
_WORDS = (
    *("the", "gateway", "keeps", "every", "span", "and", "each", "metric", "tells", "a", "story", "of"),
    *("latency", "budget", "cache", "token", "stream", "trace", "edge", "request", "answer", "model"),
    *("route", "retry", "fallback", "window", "signal", "naïve", "café", "über", "東京", "🛰️"),
)

_CODE = (
    '```python\ndef answer_{n}(items: list[int]) -> int:\n    """Add up what is even."""\n'
    "    return sum(item for item in items if item % 2 == 0)\n```"
)


@lru_cache(maxsize=4096)
def answer_pieces(prompt: str, tokens: int) -> tuple[str, ...]:
    """The answer to `prompt` as its stream of `tokens` pieces; one in four carries a fenced block of Python.

    A prompt that mentions code always gets the block.
    """
    seed = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    words = [_WORDS[byte % len(_WORDS)] for byte in seed]
    pieces = [words[index % len(words)] + " " for index in range(max(tokens, 1))]
    pieces[0] = f"Answer {seed[:3].hex()}: "
    if seed[0] % 4 == 0 or "code" in prompt.lower():
        block = "\n\n" + _CODE.replace("{n}", str(seed[1])) + "\n\n"
        pieces[len(pieces) // 2 : len(pieces) // 2 + 1] = [block]
    return tuple(pieces)


def count_tokens(text: str) -> int:
    """A rough count, four characters each and never less than one: steady, which is all that tests need."""
    return max(1, math.ceil(len(text) / 4))


@lru_cache(maxsize=4096)
def embedding(text: str, dimensions: int) -> tuple[float, ...]:
    """A unit vector that is the same for the same text."""
    generator = random.Random(text)
    values = [generator.uniform(-1.0, 1.0) for _ in range(dimensions)]
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return tuple(value / norm for value in values)


def embedding_base64(text: str, dimensions: int) -> str:
    """The same vector as little-endian 32-bit floats in base64, which OpenAI's client asks for by default."""
    return base64.b64encode(array("f", embedding(text, dimensions)).tobytes()).decode("ascii")
