"""Trace and span ids from the Entropy port, drawn a pool at a time.

One call into the platform pays for 128 ids. The pool is empty until the first id is asked for, so nothing here
needs entropy at import (on Workers that would be an error, and a snapshot would repeat the ids in every isolate).
"""

from __future__ import annotations

import struct
from typing import Protocol

from lumigate.telemetry.host import Entropy

_POOL = struct.Struct("128Q")


class IdGenerator(Protocol):
    """What OpenTelemetry's SDK calls an id generator; any of those fits."""

    def generate_span_id(self) -> int: ...

    def generate_trace_id(self) -> int: ...


class RandomIds:
    """Ids whose bits are all random and never all zero."""

    __slots__ = ("_entropy", "_pool")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._pool: list[int] = []

    def generate_span_id(self) -> int:
        pool = self._pool
        # a zero comes up once in 2^64 draws; then the next number is taken
        while True:
            if not pool:
                pool.extend(_POOL.unpack(self._entropy.random_bytes(_POOL.size)))
            number = pool.pop()
            if number:
                return number

    def generate_trace_id(self) -> int:
        pool = self._pool
        if len(pool) < 2:
            pool.extend(_POOL.unpack(self._entropy.random_bytes(_POOL.size)))
        return (pool.pop() << 64 | pool.pop()) or self.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        return True


def is_random(generator: IdGenerator) -> bool:
    """Whether the generator promises 56 random low bits, so that the W3C random flag may be set."""
    promise = getattr(generator, "is_trace_id_random", None)
    return bool(promise()) if callable(promise) else False
