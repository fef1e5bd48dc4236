"""What masking the personal data in answers costs (`PRIVACY_ANSWERS=mask`), beside restoring tokens and beside neither.

Each way reads the provider's bytes and writes the caller's, as the gateway does behind OpenAI's door, without any
network; the three take turns. A stream comes a chunk at a time, about a token in each.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

from bench.contest import Row
from lumigate.http.sse import EventSplitter
from lumigate.llm.canonical import ChunkWriter
from lumigate.llm.dialects import Writer
from lumigate.llm.dialects.openai import OPENAI_DIALECT
from lumigate.llm.provider import Answer
from lumigate.llm.providers import PROVIDERS
from lumigate.privacy.guard import RestoringDialect
from lumigate.privacy.kinds import Kind
from lumigate.privacy.masking import MaskingWriter
from lumigate.privacy.tokens import TokenTable
from lumigate.scope import Scope

CHARS = 10_000
CHUNK_CHARS = 4
_MASKED, _RESTORED, _PASSED = "masked", "restored", "passed on"

type _Way = Callable[[Writer], object]


def rows(texts: Mapping[str, str], rounds: int) -> list[dict[str, object]]:
    """Two rows for each text and form: masking to passing on, and masking to restoring."""
    found: list[dict[str, object]] = []
    for name, sample in texts.items():
        text = (sample * (CHARS // len(sample) + 1))[:CHARS]
        for form, way, parts in (
            ("an answer of 10,000 characters", _whole(text), 1),
            ("a chunk of 4 characters", _streamed(text), CHARS // CHUNK_CHARS),
        ):
            print(f"… mask {form}, {name}", file=sys.stderr)
            taken = _times(way, rounds, parts)
            for rival, bar in _BARS[form].items():
                ratio = median(
                    ours / theirs for ours, theirs in zip(taken[_MASKED], taken[rival], strict=True)
                )
                found.append(
                    Row(
                        what=f"mask {form}, {name}: to {rival}",
                        ours_us=median(taken[_MASKED]),
                        rival_us=median(taken[rival]),
                        ratio=ratio,
                        bar=bar,
                        at_most=True,
                    ).as_json()
                )
    return found


_BARS: Mapping[str, Mapping[str, float]] = {
    "an answer of 10,000 characters": {_PASSED: 250.0, _RESTORED: 120.0},
    "a chunk of 4 characters": {_PASSED: 60.0, _RESTORED: 5.0},
}
"""For the text that costs most. Masking looks at every character, passing on at hardly any."""


def _writers() -> dict[str, Writer]:
    """A new one of each for an answer, as a request has it."""
    tokens = TokenTable()
    tokens.token(Kind.EMAIL, "someone@example.com")
    nothing = SimpleNamespace(add=lambda amount, labels: None)
    scope = cast("Scope", SimpleNamespace(instruments=SimpleNamespace(personal_data_findings=nothing)))
    return {
        _MASKED: MaskingWriter(OPENAI_DIALECT, scope, None),
        _RESTORED: RestoringDialect(OPENAI_DIALECT, tokens),
        _PASSED: OPENAI_DIALECT,
    }


def _times(way: _Way, rounds: int, parts: int) -> dict[str, Sequence[float]]:
    """Microseconds a part, by writer; the first round warms up and is left out."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for name, writer in _writers().items():
            gc.collect()
            begun = time.perf_counter()
            way(writer)
            times.setdefault(name, []).append((time.perf_counter() - begun) * 1e6 / parts)
    return {name: taken[1:] for name, taken in times.items()}


def _whole(text: str) -> _Way:
    message = {"role": "assistant", "content": text}
    document: dict[str, Any] = {
        "id": "chatcmpl-1",
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    body = json.dumps(document).encode()

    def run(writer: Writer) -> object:
        read = PROVIDERS["openai"].read_answer(body, Answer(created=1))
        return writer.write_answer(read, native=False)

    return run


def _streamed(text: str) -> _Way:
    write = ChunkWriter(Answer(id="chatcmpl-1", model="gpt-5-mini", created=1))
    said = (text[at : at + CHUNK_CHARS] for at in range(0, len(text), CHUNK_CHARS))
    chunks = [*map(write.text, said), write.delta({}, "stop"), b"data: [DONE]\n\n"]

    def run(writer: Writer) -> object:
        reader = PROVIDERS["openai"].reader(Answer(created=1), strip_usage=True)
        splitter, outlet = EventSplitter(), writer.outlet(native=False)
        return [outlet.pass_on(reader.read_events(splitter.feed(chunk))[0]) for chunk in chunks]

    return run
