"""One request as one Analytics Engine data point.

Limits: one index of at most 96 bytes, 20 blobs of together at most 16,000 bytes, 20 doubles. A point over a limit is
refused by the runtime whole, so it is made to fit here.
https://developers.cloudflare.com/analytics/analytics-engine/limits/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from lumigate.telemetry.attributes import safe_text
from lumigate.telemetry.schema import PointColumn

MAX_INDEX_BYTES: Final = 96
MAX_BLOB_BYTES: Final = 16_000
MAX_COLUMNS: Final = 20
_EXACT: Final = 1 << 53
"""Integers below this are the ordinary case."""
_COLUMN: Final = re.compile(r"(index|blob|double)([1-9][0-9]?)")


@dataclass(slots=True)
class DataPoint:
    """What an Analytics Engine dataset takes. Not frozen: one is made for each request, kept trace or not."""

    index: str
    blobs: tuple[str, ...]
    doubles: tuple[float, ...]


_LAYOUTS: Final[dict[int, tuple[tuple[PointColumn, ...], PointLayout]]] = {}
"""Layouts by the identity of their declarations, which are constants: there are as many as there are datasets."""


def build_point(columns: tuple[PointColumn, ...], values: Mapping[str, Any]) -> DataPoint:
    """The data point that the declared columns make of these values (by column name). Missing ones are empty or 0."""
    known = _LAYOUTS.get(id(columns))
    if known is None:
        known = _LAYOUTS[id(columns)] = (columns, PointLayout(columns))
    return known[1].build(values)


class PointLayout:
    """Which value goes to which column. Raises ValueError if the declarations contradict the limits."""

    __slots__ = ("_blobs", "_doubles", "_index", "_take_blobs", "_take_doubles")

    def __init__(self, columns: Sequence[PointColumn]) -> None:
        places: dict[str, dict[int, str]] = {"index": {}, "blob": {}, "double": {}}
        for column in columns:
            match = _COLUMN.fullmatch(column.column)
            highest = 1 if column.column.startswith("index") else MAX_COLUMNS
            if match is None or int(match[2]) > highest:
                raise ValueError(f"{column.name}: there is no column {column.column!r}")
            if int(match[2]) in places[match[1]]:
                raise ValueError(f"{column.name}: column {column.column!r} is taken twice")
            places[match[1]][int(match[2])] = column.name
        self._index = places["index"].get(1)
        self._blobs = _in_order(places["blob"])
        self._doubles = _in_order(places["double"])
        self._take_blobs = _all_of(self._blobs)
        self._take_doubles = _all_of(self._doubles)

    def build(self, values: Mapping[str, Any]) -> DataPoint:
        """The point of these values, by column name. What is missing is empty text or 0; nothing makes this raise."""
        index = "" if self._index is None else values.get(self._index)
        if type(index) is not str or len(index) > MAX_INDEX_BYTES or not index.isascii():
            index = _cut(_text(index), MAX_INDEX_BYTES)
        return DataPoint(index, self._build_blobs(values), self._build_doubles(values))

    def _build_doubles(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        try:
            given = self._take_doubles(values)
        except KeyError:
            given = tuple([values.get(name) for name in self._doubles])
        return tuple(
            [
                float(value) if type(value) is int and -_EXACT < value < _EXACT else _number(value)
                for value in given
            ]
        )

    def _build_blobs(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        # Runs once a request. Where all are there and plain text, three calls do for all of them: 0.5 us in wasm for
        # six, where a look at each took 2.
        try:
            blobs = self._take_blobs(values)
            together = "".join(blobs)
            if len(together) <= MAX_BLOB_BYTES and together.isascii():
                return blobs
        except (KeyError, TypeError):
            pass  # not `suppress`, which costs as much as all the rest
        return tuple(_fit([_text(values.get(name)) for name in self._blobs]))


def _all_of(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """From values to those of the given names. Raises KeyError where one is missing."""
    if len(names) < 2:
        return lambda values: tuple(values[name] for name in names)
    return itemgetter(*names)


def _in_order(names: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(names.get(place, "") for place in range(1, max(names, default=0) + 1))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return safe_text(value, MAX_BLOB_BYTES)


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)):
        return 0.0
    try:
        number = float(value)
    except OverflowError:
        return 0.0
    return number if number - number == 0 else 0.0


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, never half a character."""
    if len(text) * 4 <= limit or (text.isascii() and len(text) <= limit):
        return text
    return text.encode()[:limit].decode(errors="ignore")


def _fit(blobs: list[str]) -> list[str]:
    """The longest are cut to one common length, just short enough for all to fit."""
    sizes = [len(blob) if blob.isascii() else len(blob.encode()) for blob in blobs]
    if sum(sizes) <= MAX_BLOB_BYTES:
        return blobs
    room = MAX_BLOB_BYTES
    for place, size in enumerate(sorted(sizes)):
        share = room // (len(sizes) - place)
        if size > share:
            return [_cut(blob, share) for blob in blobs]
        room -= size
    return blobs
