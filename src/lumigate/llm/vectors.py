"""Embeddings in OpenAI's form: what goes in, and what comes out.

Shape: https://platform.openai.com/docs/api-reference/embeddings/object.
"""

from __future__ import annotations

import base64 as b64
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from lumigate.config import ProviderAccess
from lumigate.errors import InvalidRequest, UnsupportedByProvider
from lumigate.llm.canonical import encode
from lumigate.llm.provider import Answer, BadAnswer

MAX_INPUTS = 2048
"""OpenAI's bound on the texts of one request."""
MAX_TOKENS = 300_000
"""OpenAI's bound on the tokens of one request."""
_TOKENS = 2**31
"""No vocabulary has as many."""


def check_input(body: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` unless `input` is text, texts, or tokens."""
    given = body.get("input")
    if isinstance(given, str) and given:
        return
    if isinstance(given, list) and given and len(given) <= MAX_TOKENS and all(map(_is_token, given)):
        return  # one text, as tokens
    if not isinstance(given, list) or not given or len(given) > MAX_INPUTS:
        raise InvalidRequest(f"must be text or a list of 1 to {MAX_INPUTS} texts", param="input")
    for index, item in enumerate(given):
        tokens = isinstance(item, list) and item and all(map(_is_token, item))
        if not tokens and not (isinstance(item, str) and item):
            raise InvalidRequest("must be text that is not empty", param=f"input.{index}")


def _is_token(value: Any) -> bool:
    return type(value) is int and 0 <= value < _TOKENS


def texts_of(access: ProviderAccess, body: Mapping[str, Any]) -> list[str]:
    """The texts, for a provider that takes nothing else."""
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(item, str) for item in texts):
        raise UnsupportedByProvider(access.name, "embeddings of token numbers", param="input")
    return list(texts)


def embeddings_document(vectors: Sequence[Any], answer: Answer, *, base64: bool) -> bytes:
    """The answer; `base64` writes each vector as little-endian 32-bit floats. Raises `BadAnswer`."""
    data = []
    for index, vector in enumerate(vectors):
        if not isinstance(vector, list) or not all(isinstance(value, int | float) for value in vector):
            raise BadAnswer("a vector is not a list of numbers")
        embedding = b64.b64encode(array("f", vector).tobytes()).decode("ascii") if base64 else vector
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    tokens = answer.input_tokens or 0
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return encode({"object": "list", "data": data, "model": answer.model, "usage": usage})
