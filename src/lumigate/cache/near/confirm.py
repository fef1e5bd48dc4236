"""Embeddings: whose they are to say, in what form they are kept, and how near two of them are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import sqrt, sumprod

from lumigate.scope import Scope

type Confirm = Callable[[Scope, str], Awaitable[tuple[float, ...] | None]]
"""The embedding of a prompt; None where no model gives one. Raises nothing."""


def quantised(vector: Sequence[float]) -> tuple[int, ...]:
    """The vector in whole numbers of -127 to 127: its direction within half a percent, in an eighth of the room."""
    largest = max(map(abs, vector), default=0.0)
    return tuple(round(127 * value / largest) for value in vector) if largest else ()


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """-1 to 1; 0 for vectors of other sizes, or without length."""
    if len(one) != len(other):
        return 0.0
    length = sqrt(sumprod(one, one) * sumprod(other, other))
    return sumprod(one, other) / length if length else 0.0
