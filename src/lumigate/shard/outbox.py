"""The isolate's side: deltas on their way to the shard, numbered, kept until they are acknowledged.

Bounded without loss: while there is no room, deltas are not collected and go on adding up in the instruments. A
batch once sealed never changes, so a retry carries the same number and the same content. Plain data throughout: a
batch sealed by one request may be sent by another.

    if outbox.has_room:
        outbox.seal(meters.collect_deltas(now_ns), now_ns)
    for batch in outbox.due(now_ns):
        outbox.settle(batch.sequence, await shard.push(batch.message()))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lumigate.shard.encoding import encode_batches
from lumigate.shard.settings import MINUTE_NS
from lumigate.shard.wire import MAX_CHARS
from lumigate.telemetry.records import MetricData

CAPACITY: Final = 16
"""Batches outstanding. Far below the shard's window of 64 (`seen.WINDOW`), even when a seal makes several."""
LIFETIME_NS: Final = 20 * MINUTE_NS
"""A batch is given up after this: well before the shard forgets the isolate and refuses it anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBatch:
    """A batch as it is sent, every time the same."""

    sequence: int
    sealed_ns: int
    text: str

    def message(self) -> dict[str, str]:
        """The argument of `CounterShard.push`."""
        return {"batch": self.text}


class Outbox:
    """One an isolate, under an id no other isolate has (128 random bits in hex, made inside a request)."""

    __slots__ = ("_expired", "_last_sequence", "_pending", "counts", "isolate")

    def __init__(self, isolate: str) -> None:
        self.isolate = isolate
        self._last_sequence = 0
        self._pending: dict[int, SealedBatch] = {}
        self._expired: list[SealedBatch] = []
        self.counts: Counter[str] = Counter()
        """Points skipped, batches stored, refused, expired."""

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def has_room(self) -> bool:
        """Whether to collect now. If not, leave the deltas where they are."""
        return len(self._pending) < CAPACITY

    def seal(self, metrics: Iterable[MetricData], now_ns: int, *, max_chars: int = MAX_CHARS) -> None:
        """Number and keep the deltas. Nothing is sealed if there are none."""
        encoded = encode_batches(
            metrics,
            isolate=self.isolate,
            first_sequence=self._last_sequence + 1,
            sealed_ns=now_ns,
            max_chars=max_chars,
        )
        self.counts["points_skipped"] += encoded.skipped
        for text in encoded.texts:
            self._last_sequence += 1
            self._pending[self._last_sequence] = SealedBatch(
                sequence=self._last_sequence, sealed_ns=now_ns, text=text
            )

    def due(self, now_ns: int) -> list[SealedBatch]:
        """What to send now, oldest first. What is too old is given up and counted."""
        for sequence, batch in list(self._pending.items()):
            if now_ns - batch.sealed_ns > LIFETIME_NS:
                self._expired.append(self._pending.pop(sequence))
                self.counts["batches_expired"] += 1
        return list(self._pending.values())

    def take_expired(self) -> list[SealedBatch]:
        """What `due` has given up since the last call. It may have been stored all the same."""
        expired, self._expired = self._expired, []
        return expired

    def settle(self, sequence: int, answer: Mapping[str, Any]) -> SealedBatch | None:
        """The shard answered. Returns the batch if it was refused for good, for whoever can use it otherwise."""
        status = answer.get("status")
        if status not in {"stored", "duplicate"} and (status != "refused" or answer.get("retry")):
            self.counts["batches_retried"] += 1
            return None
        batch = self._pending.pop(sequence, None)
        if batch is None:
            return None  # another request's send of the same batch was answered first
        self.counts["batches_stored" if status != "refused" else "batches_refused"] += 1
        return batch if status == "refused" else None
