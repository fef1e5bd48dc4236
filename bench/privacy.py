"""What looking for personal data costs: 10,000 characters, with nothing in them and full of findings.

What masking answers costs stands in `privacy_answers`.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide. Each time is the median of the rounds; a text is
made anew for each round, so that nothing of it is cached. The bars are those that the project holds itself to.
"""

# ruff: noqa: RUF001  (full-width forms are what is measured)
from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from statistics import median

from bench import privacy_answers
from bench.contest import Row
from lumigate.privacy.detect import detect
from lumigate.privacy.mask import Policy, mask, redact_chat
from lumigate.privacy.stream import StreamMasker

IN_PYODIDE = sys.platform == "emscripten"
CHARS = 10_000
BAR_MS = 20.0 if IN_PYODIDE else 5.0
DELTA_CHARS = 4
"""About a token of a model's answer."""

ENGLISH = (
    "The quarterly review moved to Thursday at 14:30, and the budget of $1,250.00 still holds for 2026-03-14. "
    "Please read section 4.2 of the report (pages 10-12) before then; version 2.31.0 of the tool is out: install it. "
)
JAPANESE = (
    "次回の打ち合わせは２０２６年３月１４日（木）の午後２時３０分からです。予算は１，２５０円のままとします。"
    "それまでに資料の第４章をお読みください。ツールのバージョンは２．３１．０です。よろしくお願いします。"
)
SOURCE = (
    "def total(prices: list[float], *, rate: float = 0.08) -> float:\n"
    '    """Sum of `prices` with tax; see RFC 8259 and commit 9fceb02d0ae598e95dc970b74767f19372d61af8."""\n'
    '    logger.info("total: %s", {"count": len(prices), "key": cache_key, "at": "2026-03-14T10:00:00Z"})\n'
    "    return sum(price * (1 + rate) for price in prices[::2])\n"
)
FULL = (
    "mail tanaka.taro@example.co.jp, call +81 90-1234-5678 or (555) 123-4567, pay with 4111 1111 1111 1111, "
    "IBAN GB82 WEST 1234 5698 7654 32, SSN 123-45-6789, host 192.0.2.17 and 2001:db8::17, "
    'api_key="a8f5f167f44f4964e6c998dee827110c", AKIAIOSFODNN7EXAMPLE, マイナンバー：１２３４－５６７８－９０１８、'
    "電話０３－１２３４－５６７８、携帯090ー1234ー5678、"
)


def measure(rounds: int = 21) -> list[dict[str, object]]:
    """All rows, as `--json` prints them."""
    return [
        _row("find, English prose with nothing in it", ENGLISH, detect, rounds),
        _row("find, Japanese prose with nothing in it", JAPANESE, detect, rounds),
        _row("find, source code with nothing in it", SOURCE, detect, rounds),
        _row("find, text full of findings", FULL, detect, rounds),
        _row("mask, text full of findings", FULL, mask, rounds),
        _row("tokens in a chat body, text full of findings", FULL, _tokens, rounds),
        # A stream pays in small parts, one for each piece; this is their sum.
        _row("mask a stream of 4 characters a piece, prose", ENGLISH, _stream, rounds, bar_ms=10 * BAR_MS),
        *privacy_answers.rows({"prose": ENGLISH, "full of findings": FULL}, rounds),
    ]


def _row(
    what: str, sample: str, run: Callable[[str], object], rounds: int, *, bar_ms: float = BAR_MS
) -> dict[str, object]:
    print(f"… {what}", file=sys.stderr)
    times = [_time(run, _text(sample, number)) for number in range(rounds + 1)][1:]
    taken_us = median(times)
    return Row(
        what=f"{what}, 10,000 characters",
        ours_us=taken_us,
        rival_us=None,
        ratio=taken_us / 1e3,
        bar=bar_ms,
        at_most=True,
        unit="ms",
    ).as_json()


def _text(sample: str, number: int) -> str:
    return (f"{chr(97 + number % 26)} " + sample * (CHARS // len(sample) + 1))[:CHARS]


def _time(run: Callable[[str], object], text: str) -> float:
    gc.collect()
    begun = time.perf_counter()
    run(text)
    return (time.perf_counter() - begun) * 1e6


def _tokens(text: str) -> object:
    return redact_chat({"model": "m", "messages": [{"role": "user", "content": text}]}, Policy.TOKENS)


def _stream(text: str) -> object:
    masker = StreamMasker()
    out = [masker.feed(text[at : at + DELTA_CHARS]) for at in range(0, len(text), DELTA_CHARS)]
    return "".join([*out, masker.end()])
