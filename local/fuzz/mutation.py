"""Mutations: of bytes, and of JSON documents by their structure. The same `Random` gives the same mutant."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

MOST_BYTES = 200_000
"""A mutant does not grow beyond it: what is tested is judgement, and bodies that are too long are one case of many."""

_PIECES: Sequence[bytes] = (
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # a lone surrogate, as if it were UTF-8
    b"\\ud800",
    b"\xf0\x9f\x8c\x8d"[:2],
    b"\r\n\r\n",
    b"\n\ndata: ",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b"\xe2\x80\xa8",
    b'"',
    b"{",
    b"[" * 300,
    b'{"a":' * 300,
    b"9" * 400,
    b"-0",
    b"1e400",
    b"NaN",
    b"null",
    b"..",
    b"=",
    b"%00",
    b"%2e%2e%2f",
    b"'\"><script>",
    "\uff21\uff44\uff4d\uff49\uff4e".encode(),  # "Admin", in full width
    "🌍".encode(),
    b"A" * 5000,
)
_VALUES: Sequence[Any] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    -(2**63) - 1,
    2**64,
    10**400,
    "",
    " ",
    "\x00",
    "\ud800",
    "none",
    "x" * 3000,
    "\uff27\uff30\uff34",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"type": "text", "text": 5},
    [{"role": "user"}],
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}},
)


def mutate_bytes(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Between one and four changes: bits, slices taken out, doubled or swapped, hostile pieces, parts of another."""
    mutant = bytearray(data)
    for _ in range(random.randint(1, 4)):
        _CHANGES[random.randrange(len(_CHANGES))](random, mutant, others)
        if len(mutant) > MOST_BYTES:
            del mutant[MOST_BYTES:]
    return bytes(mutant)


def _flip(random: Random, mutant: bytearray, others: Sequence[bytes]) -> None:
    if mutant:
        mutant[random.randrange(len(mutant))] ^= 1 << random.randrange(8)


def _slice(random: Random, mutant: bytearray) -> tuple[int, int]:
    start = random.randint(0, len(mutant))
    return start, min(len(mutant), start + random.choice((1, 2, 8, 64, 1024)))


def _take_out(random: Random, mutant: bytearray, others: Sequence[bytes]) -> None:
    start, end = _slice(random, mutant)
    del mutant[start:end]


def _double(random: Random, mutant: bytearray, others: Sequence[bytes]) -> None:
    start, end = _slice(random, mutant)
    mutant[start:start] = mutant[start:end] * random.choice((1, 2, 50))


def _insert(random: Random, mutant: bytearray, others: Sequence[bytes]) -> None:
    start = random.randint(0, len(mutant))
    mutant[start:start] = random.choice(_PIECES)


def _cut(random: Random, mutant: bytearray, others: Sequence[bytes]) -> None:
    del mutant[random.randint(0, len(mutant)) :]


def _splice(random: Random, mutant: bytearray, others: Sequence[bytes]) -> None:
    if others:
        other = random.choice(others)
        mutant[random.randint(0, len(mutant)) :] = other[random.randint(0, len(other)) :]


type _Change = Callable[[Random, bytearray, Sequence[bytes]], None]
_CHANGES: Sequence[_Change] = (_flip, _flip, _take_out, _double, _insert, _insert, _cut, _splice)


def mutate_document(random: Random, document: Any) -> Any:
    """A copy with between one and three values replaced, taken out, doubled, renamed or wrapped."""
    root = [copy.deepcopy(document)]
    for _ in range(random.randint(1, 3)):
        holder, key = random.choice(list(_places(root)))
        match random.randrange(6):
            case 0 if len(holder) > 1 or holder is not root:
                del holder[key]
            case 1:
                holder[key] = [holder[key], copy.deepcopy(holder[key])]
            case 2 if isinstance(holder, dict):
                holder[random.choice(("", "model", "stream", "x" * 200, key.upper()))] = holder.pop(key)
            case 3 if isinstance(holder, list) and holder is not root:
                holder.extend(copy.deepcopy(holder[key]) for _ in range(random.choice((1, 50))))
            case _:
                holder[key] = copy.deepcopy(random.choice(_VALUES))
    return root[0] if root else None


def _places(holder: Any) -> Any:
    """Every `(container, key)` below."""
    entries = holder.items() if isinstance(holder, Mapping) else enumerate(holder)
    for key, value in list(entries)[:100]:
        yield holder, key
        if isinstance(value, dict | list) and value:
            yield from _places(value)


def mutate_json(random: Random, document: Any, others: Sequence[bytes] = ()) -> bytes:
    """A document as bytes: changed by its structure mostly, sometimes as bytes, sometimes both."""
    kind = random.randrange(10)
    if kind < 7:
        document = mutate_document(random, document)
    written = json.dumps(document, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    return mutate_bytes(random, written, others) if kind > 5 else written
