"""What starting costs: the bundle's weight, and its import and first answer in units of Pyodide's own start.

`lumigate bench bundle` weighs what would be uploaded and starts it several times, each time in a process of its own
that also tells how long Pyodide itself took: a ratio of two times of one process means something on any machine, a
time does not. Medians are held against `[tool.lumigate.bundle.limits]`.

The first answer is measured because Cloudflare takes a snapshot after the import, at deploy: what is merely put off
from the import to the first request gets dearer, not cheaper. It is a chat completion through the test suite's Worker
host, with a token, a key set to fetch and a mock provider, and counts together with the import; `warm` is the same
request once more.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from local.bundle import bundle
from local.bundle.start_up import start_up
from local.mocks.issuer import Issuer, SigningKey
from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime.development import development_settings
from local.toolchain import ROOT
from lumigate import __version__
from tests.pyodide.production import deployed, production_host

HISTORY = Path(__file__).with_name("bundle_history.jsonl")
_ASKED = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "What does a start cost?"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One line of the history. Ratios are medians in units of Pyodide's own start, in the same process."""

    date: str
    version: str
    rounds: int
    modules: int
    raw_bytes: int
    compressed_bytes: int
    memory_bytes: int
    import_ratio: float
    first_answer_ratio: float
    warm_answer_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    first_ratio: float
    warm_ratio: float


def measure(rounds: int) -> Figures:
    """Weigh and start what would be uploaded now. Raises what `bundle` raises, and `HostFailed`."""
    report = bundle(ROOT)
    if report.problems:
        raise RuntimeError(report.problems[0])
    with TemporaryDirectory(prefix="lumigate-bundle-") as folder:
        options = deployed(Path(folder))
        imports, answers = [], []
        memory_bytes = 0
        for done in range(rounds):
            _say(f"start {done + 1} of {rounds}")
            started = start_up(Path(folder), entries=["entry"], probes=[])
            memory_bytes = max(memory_bytes, started.memory_bytes)
            imports.append(started.import_seconds / started.start_seconds)
            answers.append(asyncio.run(_answers(options)))
    return Figures(
        date=datetime.now(UTC).date().isoformat(),
        version=__version__,
        rounds=rounds,
        modules=report.weight.modules,
        raw_bytes=report.weight.raw_bytes,
        compressed_bytes=report.weight.compressed_bytes,
        memory_bytes=memory_bytes,
        import_ratio=round(median(imports), 3),
        first_answer_ratio=round(median(it.first_ratio for it in answers), 3),
        warm_answer_ratio=round(median(it.warm_ratio for it in answers), 4),
    )


async def _answers(options: dict[str, Any]) -> _Answers:
    async with OpenAIUpstream() as upstream, Issuer(SigningKey.generate()) as issuer:
        settings = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        return await asyncio.to_thread(_ask, settings, issuer.valid(), options)


def _ask(settings: dict[str, Any], token: str, options: dict[str, Any]) -> _Answers:
    with (
        production_host(settings, **options) as host,
        httpx.Client(base_url=host.url, headers={"authorization": f"Bearer {token}"}, timeout=30) as client,
    ):
        seconds = []
        for _ in range(6):
            began = time.perf_counter()
            answer = client.post("/v1/chat/completions", json=_ASKED, headers={"cache-control": "no-store"})
            seconds.append(time.perf_counter() - began)
            answer.raise_for_status()
        own = host.ready["interpreter_seconds"]
        return _Answers(
            first_ratio=(host.ready["import_seconds"] + seconds[0]) / own,
            warm_ratio=median(seconds[1:]) / own,
        )


def report_figures(rounds: int, *, as_json: bool, record: bool) -> int:
    """Measure, print, and append to the history if asked. 0: every limit holds; 1: one does not."""
    from local.pins import Pins

    figures = measure(rounds)
    limits = asdict(Pins.read(ROOT).limits)
    found = asdict(figures)
    passed = [name for name, limit in limits.items() if found[name] > limit]
    if as_json:
        print(json.dumps({**found, "limits": limits, "passed": passed}, indent=2))
    else:
        before = history()
        last = asdict(before[-1]) if before else {}
        print(f"{'':<20} {'now':>12}  {'limit':>12}  {'last recorded':>13}")
        for name in (*limits, "warm_answer_ratio"):
            row = (found[name], limits.get(name, ""), last.get(name, ""))
            texts = [f"{value:,}" if isinstance(value, int) else str(value) for value in row]
            mark = "  over the limit" if name in passed else ""
            print(f"{name:<20} {texts[0]:>12}  {texts[1]:>12}  {texts[2]:>13}{mark}")
    if record:
        with HISTORY.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(found) + "\n")
    return 1 if passed else 0


def history() -> list[Figures]:
    """What was recorded, oldest first."""
    if not HISTORY.is_file():
        return []
    return [Figures(**json.loads(line)) for line in HISTORY.read_text(encoding="utf-8").splitlines()]


def _say(what: str) -> None:
    print(f"bench: {what} …", file=sys.stderr, flush=True)
