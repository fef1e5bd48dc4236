"""Which answers there are for prompts that are near each other: in memory, and as it lies in KV.

Bounded on both sides: so many prompts in one context (everything else of the request being equal), so many contexts.
"""

from __future__ import annotations

import base64
import json
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from lumigate import strict_json
from lumigate.cache.near.minhash import SIZE, bands, similarity
from lumigate.cache.near.query import NearQuery

FORMAT = 1
MAX_PROMPTS = 64
MAX_CONTEXTS = 256
BETWEEN_WRITES_NS = 1_000_000_000
"""KV takes one write a second of a key; https://developers.cloudflare.com/kv/platform/limits/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A prompt whose answer was kept under `key`. `vector` is its embedding in whole numbers, where there is one."""

    key: str
    meaning: str
    signature: tuple[int, ...]
    expires_ns: int
    vector: tuple[int, ...] = ()


class NearIndex:
    """The prompts of one context, newest last."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self.next_write_ns = 0
        """Before it, the store would refuse another write of this index."""
        self.writer_until_ns = 0
        """Somebody waits to write it; until then, since that somebody may have died."""

    def __len__(self) -> int:
        return len(self._known)

    def wrote(self, now_ns: int) -> None:
        self.next_write_ns = now_ns + BETWEEN_WRITES_NS

    def add(self, known: Known) -> None:
        self._known.pop(known.key, None)
        self._known[known.key] = known
        while len(self._known) > MAX_PROMPTS:
            self._known.popitem(last=False)

    def nearest(
        self, query: NearQuery, *, threshold: float, now_ns: int, but: str
    ) -> tuple[Known, float] | None:
        """The nearest that means the same, and how near it is; not the one under the key `but`."""
        wanted = set(bands(query.signature))
        best: tuple[Known, float] | None = None
        for known in reversed(self._known.values()):
            if known.meaning != query.meaning or known.key == but or now_ns >= known.expires_ns:
                continue
            if wanted.isdisjoint(bands(known.signature)):
                continue
            near = similarity(query.signature, known.signature)
            if near >= threshold and (best is None or near > best[1]):
                best = known, near
        return best

    def to_bytes(self) -> bytes:
        rows = [
            [k.key, k.meaning, _pack("I", k.signature), k.expires_ns, _pack("b", k.vector)]
            for k in self._known.values()
        ]
        return json.dumps({"format": FORMAT, "known": rows}, separators=(",", ":")).encode("ascii")

    def merge(self, data: bytes) -> None:
        """Take in what lies in a store. Raises `ValueError` for anything that `to_bytes` did not write."""
        document = strict_json.loads(data)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError("not an index of this format")
        for row in document["known"] if isinstance(document.get("known"), list) else ():
            known = _read(row)
            if known.key not in self._known:
                self._known[known.key] = known
                self._known.move_to_end(known.key, last=False)
        while len(self._known) > MAX_PROMPTS:
            self._known.popitem(last=False)


class Contexts:
    """The indexes of an isolate, least recently used out first."""

    def __init__(self) -> None:
        self._indexes: OrderedDict[str, NearIndex] = OrderedDict()

    def of(self, context: str) -> NearIndex:
        index = self._indexes.get(context)
        if index is None:
            index = self._indexes[context] = NearIndex()
            while len(self._indexes) > MAX_CONTEXTS:
                self._indexes.popitem(last=False)
        else:
            self._indexes.move_to_end(context)
        return index


def _pack(kind: str, numbers: Sequence[int]) -> str:
    return base64.b64encode(array(kind, numbers).tobytes()).decode("ascii")


def _read(row: object) -> Known:
    if not isinstance(row, list) or [type(item) for item in row] != [str, str, str, int, str]:
        raise ValueError("not a row of an index")
    signature, vector = array("I"), array("b")
    signature.frombytes(base64.b64decode(row[2], validate=True))
    vector.frombytes(base64.b64decode(row[4], validate=True))
    if len(signature) != SIZE:
        raise ValueError("not a signature of this size")
    return Known(
        key=row[0], meaning=row[1], signature=tuple(signature), expires_ns=row[3], vector=tuple(vector)
    )
