"""MinHash: how much two sets of shingles have in common, from a few numbers of each (Broder, 1997). Pure.

The signature does not depend on the order of shingles. Its bands (LSH) find those that may be near without looking at
all: two prompts of similarity s share a band with a probability of 1 - (1 - s**ROWS)**BANDS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

BANDS: Final = 16
ROWS: Final = 4
SIZE: Final = BANDS * ROWS
_PRIME: Final = (1 << 61) - 1
_MASK: Final = (1 << 32) - 1
MAX_SHINGLES: Final = 400
_CHARS: Final = 3


def _coefficients() -> tuple[tuple[int, int], ...]:
    """Fixed for ever: signatures are kept in stores."""
    stream = hashlib.shake_128(b"lumigate near 1").digest(16 * SIZE)
    pairs = (stream[at : at + 16] for at in range(0, len(stream), 16))
    return tuple(
        (int.from_bytes(pair[:8]) % (_PRIME - 1) + 1, int.from_bytes(pair[8:]) % _PRIME) for pair in pairs
    )


_COEFFICIENTS: Final = _coefficients()


def shingles(words: Sequence[str]) -> set[str]:
    """Each word, each pair of neighbours, and the runs of three characters inside words (for Japanese, and endings)."""
    found: set[str] = set(words)
    found.update(f"{one} {two}" for one, two in pairwise(words))
    for word in words:
        found.update(word[at : at + _CHARS] for at in range(len(word) - _CHARS + 1))
    return found


def signature(of: Iterable[str]) -> tuple[int, ...]:
    """`SIZE` numbers of 32 bits; all ones for a set that is empty."""
    hashes = sorted(
        int.from_bytes(hashlib.blake2b(item.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        for item in of
    )[:MAX_SHINGLES]
    if not hashes:
        return (_MASK,) * SIZE
    return tuple(min((a * h + b) % _PRIME for h in hashes) & _MASK for a, b in _COEFFICIENTS)


def similarity(one: Sequence[int], other: Sequence[int]) -> float:
    """The share of shingles in common (Jaccard), as the signatures tell it: 0 to 1."""
    return sum(a == b for a, b in zip(one, other, strict=True)) / SIZE


def bands(of: Sequence[int]) -> list[tuple[int, ...]]:
    """The keys under which a signature is found: each with its number, so that no two bands meet."""
    return [(number, *of[number * ROWS : (number + 1) * ROWS]) for number in range(BANDS)]
