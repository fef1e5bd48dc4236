"""A snapshot: the state at a position as a few texts, written in columns because those load fastest.

Each chunk fits a row of the table. Its first line names the snapshot it belongs to: position, its own number, how many
there are. A snapshot counts only when all its chunks are there; until then, the one before it and the rows do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from lumigate.shard.metric import MetricState
from lumigate.shard.readers import Reader
from lumigate.shard.series import RESTORED, Series
from lumigate.shard.settings import ShardSettings
from lumigate.shard.state import ShardState

VERSION: Final = 1
MAX_CHUNK_CHARS: Final = 1_000_000
"""A row of a Durable Object's SQLite holds 2 MB; the texts are ASCII."""
_SERIES_PER_BLOCK: Final = 1_000
_COLUMNS_CHARS: Final = 150
_COUNT_CHARS: Final = 16
"""The most that a series takes beside its key and its counts, and a count."""
_ISOLATES_PER_BLOCK: Final = 5_000


def dump(state: ShardState, max_chars: int = MAX_CHUNK_CHARS) -> list[str]:
    """The chunks of a snapshot of the state as it is now."""
    bodies: list[list[str]] = [[]]
    size = 0
    for block in _blocks(state):
        text = json.dumps(block, separators=(",", ":"))
        if bodies[-1] and size + len(text) > max_chars:
            bodies.append([])
            size = 0
        bodies[-1].append(text)
        size += len(text) + 1
    return [
        f"{VERSION} {state.position} {part} {len(bodies)}\n[{','.join(body)}]"
        for part, body in enumerate(bodies)
    ]


def load(chunks: Iterable[str], settings: ShardSettings) -> ShardState:
    """The state of the newest complete snapshot among the chunks, or an empty one if none is complete.

    Raises ValueError if a snapshot was written by code newer than this: better no answer than a wrong one.
    """
    state = ShardState(settings)
    for block in _newest(chunks):
        kind, *fields = block
        if kind == "head":
            state.position, state.clock_ns, state.births, state.seen.floor_ns, readers = fields
            for name, dumped in readers.items():
                state.readers[Reader(name)].restore(dumped)
        elif kind == "isolates":
            state.seen.restore(*fields)
        else:
            _load_series(state, *fields)
    return state


def _blocks(state: ShardState) -> Iterator[list[Any]]:
    readers = {str(name): reader.dump() for name, reader in state.readers.items()}
    yield ["head", state.position, state.clock_ns, state.births, state.seen.floor_ns, readers]
    columns = state.seen.columns()
    for first in range(0, len(state.seen), _ISOLATES_PER_BLOCK):
        yield ["isolates", *(column[first : first + _ISOLATES_PER_BLOCK] for column in columns)]
    for metric in state.metrics.values():
        head = [
            metric.schema.text,
            metric.description,
            metric.scope_version,
            metric.generation,
            metric.last_ns,
        ]
        for part in _parts(metric):
            yield ["series", head, list(zip(*[series.columns() for series in part], strict=True))]


def _parts(metric: MetricState) -> Iterator[list[Series]]:
    """As many series together as are sure to fit into a chunk: what would not could never be stored."""
    numbers = _COLUMNS_CHARS + _COUNT_CHARS * (len(metric.schema.bounds) + 1)
    part: list[Series] = []
    chars = 0
    for series in metric.series.values():
        size = numbers + 2 * len(series.key)  # every quote in it is escaped
        if part and (chars + size > MAX_CHUNK_CHARS or len(part) == _SERIES_PER_BLOCK):
            yield part
            part, chars = [], 0
        part.append(series)
        chars += size
    if part:
        yield part


def _load_series(state: ShardState, head: list[Any], columns: list[list[Any]]) -> None:
    text, description, scope_version, generation, last_ns = head
    metric = state.metrics.get(text)
    if metric is None:
        metric = state.metrics[text] = MetricState(state.decoder.schema(text), state.settings, generation)
        metric.description = description
        metric.scope_version = scope_version
        metric.last_ns = last_ns
    make: Any = RESTORED[metric.schema.kind]
    metric.series.update(zip(columns[0], map(make, *columns), strict=True))


def _newest(chunks: Iterable[str]) -> list[list[Any]]:
    found: dict[int, dict[int, str]] = {}
    parts_of: dict[int, int] = {}
    for chunk in chunks:
        head, _, body = chunk.partition("\n")
        version, position, part, parts = map(int, head.split())
        if version > VERSION:
            raise ValueError(f"a snapshot of version {version}; this code reads {VERSION}")
        found.setdefault(position, {})[part] = body
        parts_of[position] = parts
    complete = [position for position, bodies in found.items() if len(bodies) == parts_of[position]]
    if not complete:
        return []
    bodies = found[max(complete)]
    return [block for part in sorted(bodies) for block in json.loads(bodies[part])]
