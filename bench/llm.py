"""What choosing a candidate and passing a stream on costs, without any network: the gateway's own work.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide. A stream has 100 chunks and comes a chunk at a time.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from statistics import median

from bench.contest import Row
from lumigate.http.sse import EventSplitter
from lumigate.llm.canonical import ChunkWriter
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.llm.pricing import prices_of
from lumigate.llm.provider import Answer
from lumigate.llm.providers import PROVIDERS
from lumigate.llm.ranking import Standing, rank
from lumigate.model_table import ModelRoute, RoutingWeights

CANDIDATES = 20
CHUNKS = 100
_USAGE = {"prompt_tokens": 12, "completion_tokens": CHUNKS, "total_tokens": 12 + CHUNKS}


def measure(rounds: int = 21) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    return [row.as_json() for row in _rows(rounds)]


def _rows(rounds: int) -> list[Row]:
    standings = [Standing(100.0 + 7 * n, 0.001 * (1 + n % 5), 0.5 + n / 50) for n in range(CANDIDATES)]
    weights = RoutingWeights()
    route = ModelRoute(provider="openai", model="gpt-5-mini")
    openai, anthropic = _openai_stream(), _anthropic_stream()
    return [
        _row(
            f"ranking {CANDIDATES} candidates", _us(lambda: rank(standings, weights), rounds) / 1e3, 1.0, "ms"
        ),
        _row("finding a model's price", _us(lambda: prices_of(route), rounds) / 1e3, 5.0, "ms"),
        _row(
            "a chunk passed on untouched (OpenAI)", _us(_passing("openai", openai), rounds) / CHUNKS, 20, "us"
        ),
        _row(
            "a chunk translated (Anthropic behind OpenAI's door)",
            _us(_passing("anthropic", anthropic), rounds) / CHUNKS,
            60,
            "us",
        ),
        _row(
            "a chunk translated (OpenAI behind Anthropic's door)",
            _us(_passing("openai", openai, door=True), rounds) / CHUNKS,
            120,
            "us",
        ),
    ]


def _passing(provider: str, chunks: list[bytes], *, door: bool = False) -> Callable[[], None]:
    def run() -> None:
        reader = PROVIDERS[provider].reader(Answer(created=1), strip_usage=not door)
        outlet = ANTHROPIC_DIALECT.outlet(native=False) if door else None
        splitter = EventSplitter()
        for chunk in chunks:
            passed, _ = reader.read_events(splitter.feed(chunk))
            if outlet is not None:
                outlet.pass_on(passed)

    return run


def _openai_stream() -> list[bytes]:
    write = ChunkWriter(Answer(id="chatcmpl-1", model="gpt-5-mini", created=1))
    words = [write.text(f"word {number} ") for number in range(CHUNKS)]
    usage = json.dumps({"id": "chatcmpl-1", "choices": [], "usage": _USAGE}).encode()
    return [*words, write.delta({}, "stop"), b"data: " + usage + b"\n\n", b"data: [DONE]\n\n"]


def _anthropic_stream() -> list[bytes]:
    def event(kind: str, **members: object) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()

    message = {
        "id": "msg_1",
        "model": "claude",
        "content": [],
        "usage": {"input_tokens": 12, "output_tokens": 1},
    }
    words = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"word {number} "})
        for number in range(CHUNKS)
    ]
    return [
        event("message_start", message=message),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *words,
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": CHUNKS}),
        event("message_stop"),
    ]


def _us(run: Callable[[], object], rounds: int) -> float:
    """The median of all rounds but the first, which warms caches; a round lasts a few milliseconds."""
    begun = time.perf_counter()
    run()
    runs = max(1, int(0.005 / max(time.perf_counter() - begun, 1e-7)))
    times: list[float] = []
    for _ in range(rounds + 1):
        gc.collect()
        begun = time.perf_counter()
        for _ in range(runs):
            run()
        times.append((time.perf_counter() - begun) / runs)
    return median(times[1:]) * 1e6


def _row(what: str, value: float, bar: float, unit: str) -> Row:
    print(f"… {what}", file=sys.stderr)
    return Row(what=what, ours_us=None, rival_us=None, ratio=value, bar=bar, at_most=True, unit=unit)
