"""Exactly once: which batches have been counted, in memory that does not grow.

Each isolate numbers its batches from 1. Of each isolate the shard keeps a mark, below which all is settled, and the
64 numbers above it as bits: more than an isolate ever has outstanding (`outbox.CAPACITY`).

An isolate silent for long is forgotten, and the shard remembers only until when it has forgotten: `floor_ns`. A batch
never seen before counts only if it was sealed after the floor, whoever sent it. So a duplicate that arrives after its
isolate was forgotten is refused for its age and never counted twice, and so, rightly or not, is a first copy just
as late. Under this rule memory may be cut at any time without a risk to the totals.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lumigate.shard.settings import ShardSettings
from lumigate.shard.wire import BatchRefused

WINDOW: Final = 64


class _Isolate:
    __slots__ = ("above", "last_ns", "sealed_ns", "settled")

    def __init__(self, settled: int, above: int, last_ns: int, sealed_ns: int) -> None:
        self.settled = settled
        self.above = above
        """Bit i: number `settled + 1 + i` was counted."""
        self.last_ns = last_ns
        self.sealed_ns = sealed_ns
        """Nothing of it that was counted was sealed later."""


class SeenBatches:
    """What was counted, by isolate; the one heard of longest ago comes first."""

    __slots__ = ("_isolates", "_settings", "floor_ns")

    def __init__(self, settings: ShardSettings) -> None:
        self._settings = settings
        self._isolates: dict[str, _Isolate] = {}
        self.floor_ns = 0

    def __len__(self) -> int:
        return len(self._isolates)

    def has(self, isolate: str, sequence: int) -> bool:
        """Whether the batch was counted, or lies so far back that it must have been."""
        known = self._isolates.get(isolate)
        if known is None:
            return False
        ahead = sequence - known.settled - 1
        return ahead < 0 or bool(ahead < WINDOW and known.above >> ahead & 1)

    def check_age(self, sealed_ns: int, now_ns: int) -> None:
        """Raises `BatchRefused` for a batch not seen before whose age makes counting it unsafe."""
        if sealed_ns <= self.floor_ns:
            raise BatchRefused("too_late", "whoever sent it has been forgotten since")
        if sealed_ns > now_ns + self._settings.clock_skew_ns:
            raise BatchRefused("clock_ahead", "sealed in the future", retry=True)

    def note(self, isolate: str, sequence: int, sealed_ns: int, now_ns: int) -> None:
        """The batch is counted now."""
        known = self._isolates.pop(isolate, None) or _Isolate(0, 0, now_ns, 0)
        beyond = sequence - known.settled - WINDOW
        if beyond > 0:
            known.settled += beyond
            known.above >>= beyond
        known.above |= 1 << (sequence - known.settled - 1)
        while known.above & 1:
            known.settled += 1
            known.above >>= 1
        known.last_ns = now_ns
        known.sealed_ns = max(known.sealed_ns, sealed_ns)
        self._isolates[isolate] = known
        self._forget(now_ns)

    def _forget(self, now_ns: int) -> None:
        gone: list[str] = []
        excess = len(self._isolates) - self._settings.max_isolates
        for isolate, known in self._isolates.items():
            if len(gone) >= excess and now_ns - known.last_ns <= self._settings.isolate_idle_ns:
                break
            gone.append(isolate)
        for isolate in gone:
            self.floor_ns = max(self.floor_ns, self._isolates.pop(isolate).sealed_ns)

    def columns(self) -> list[list[object]]:
        """For the snapshot: isolates, marks, bits, last times, last seals."""
        rows = self._isolates.items()
        return [
            [isolate for isolate, _ in rows],
            [known.settled for _, known in rows],
            [known.above for _, known in rows],
            [known.last_ns for _, known in rows],
            [known.sealed_ns for _, known in rows],
        ]

    def restore(self, isolates: Iterable[str], *columns: Iterable[int]) -> None:
        """Take in what `columns` gave, or a part of it."""
        self._isolates.update(zip(isolates, map(_Isolate, *columns), strict=True))
