from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from local.live_stats import LiveStats
from local.live_view import SpanTotals, plain_line, render


class Ticking:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def event(**fields: Any) -> str:
    return json.dumps({"event": "request", "status": 200, "outcome": "complete", "duration_ms": 10, **fields})


def test_rates_are_over_five_seconds_and_latencies_over_a_minute() -> None:
    now = Ticking()
    stats = LiveStats(now)
    for number in range(1, 101):
        stats.feed(event(duration_ms=number))
    shot = stats.snapshot()
    assert (shot.requests, shot.requests_per_second, shot.p50_ms, shot.p95_ms) == (100, 20.0, 50.0, 95.0)
    now.seconds += 6
    assert stats.snapshot().requests_per_second == 0
    assert stats.snapshot().p50_ms == 50.0
    now.seconds += 60
    assert stats.snapshot().p50_ms is None
    assert stats.snapshot().requests == 100


@pytest.mark.parametrize("count", [1, 2, 3])
def test_quantiles_of_few_samples_are_samples(count: int) -> None:
    stats = LiveStats(Ticking())
    for number in range(1, count + 1):
        stats.feed(event(duration_ms=number))
    shot = stats.snapshot()
    assert (shot.p50_ms, shot.p95_ms) == ({1: 1, 2: 1, 3: 2}[count], count)


def test_outcomes_are_told_apart() -> None:
    stats = LiveStats(Ticking())
    stats.feed(event(status=401, outcome="rejected", error_code="token_expired"))
    stats.feed(
        event(status=502, outcome="upstream_error", error_code="upstream_error", trace_id="ab", route="/v1")
    )
    stats.feed(event(status=200, outcome="truncated"))
    stats.feed(event(status=200, outcome="client_abort"))
    shot = stats.snapshot()
    assert (shot.refused, shot.failed, shot.aborted) == (1, 2, 1)
    assert [failure.code for failure in shot.failures] == ["upstream_error", "truncated"]


def test_cache_tokens_and_cost_are_added_up() -> None:
    stats = LiveStats(Ticking())
    for cache in ("hit-l1", "hit-l1", "hit-l2", "miss", "bypass"):
        stats.feed(event(cache=cache, input_tokens=2, output_tokens=3, cost_usd=0.25))
    shot = stats.snapshot()
    assert shot.cache == {"hit-l1": 2, "hit-l2": 1, "hit-l3": 0, "miss": 1, "bypass": 1}
    assert shot.hit_share == 0.75
    assert (shot.input_tokens, shot.output_tokens, shot.cost_usd) == (10, 15, 1.25)


@pytest.mark.parametrize("line", ["", "nonsense", "[]", "{}", '{"event":"cron"}', '"request"'])
def test_lines_that_are_no_request_are_passed_over(line: str) -> None:
    stats = LiveStats(Ticking())
    stats.feed(line)
    assert stats.snapshot().requests == 0


def test_odd_values_in_an_event_do_no_harm() -> None:
    stats = LiveStats(Ticking())
    stats.feed(event(duration_ms=None, status="x", cache=7, input_tokens="many", cost_usd=None, error_code=5))
    assert stats.snapshot().requests == 1


def test_the_plain_line_has_fixed_names_and_no_colour() -> None:
    stats = LiveStats(Ticking())
    stats.feed(event(cache="miss", input_tokens=1, output_tokens=2, cost_usd=0.5))
    totals = SpanTotals(kept=5, sampled_out=1, dropped=0, exported=4)
    line = plain_line(stats.snapshot(), totals)
    assert line.startswith("requests=1 rps=0.2 refused=0 failed=0 aborted=0 p50_ms=10.0 p95_ms=10.0 ")
    assert line.endswith(
        "tokens=3 cost_usd=0.5000 spans_kept=5 spans_sampled_out=1 spans_dropped=0 spans_exported=4"
    )
    assert "\x1b" not in line


def test_exports_that_fail_are_told_in_either_form_and_those_that_do_not_are_not() -> None:
    snapshot = LiveStats(Ticking()).snapshot()
    failing = SpanTotals(kept=1500, waiting=1500, trouble="no answer: connection")
    assert plain_line(snapshot, failing).endswith('spans_exported=0 export_fails="no answer: connection"')
    for totals, told in ((failing, True), (SpanTotals(kept=1500, waiting=3, exported=1497), False)):
        console = Console(width=80, file=io.StringIO(), record=True)
        console.print(render(snapshot, totals, exporting=True))
        assert ("exports fail: no answer: connection; 1,500 spans wait" in console.export_text()) is told


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal(width: int) -> None:
    stats = LiveStats(Ticking())
    stats.feed(
        event(
            status=502,
            outcome="upstream_error",
            error_code="upstream_invalid_response",
            trace_id="f" * 32,
            route="/v1/chat/completions",
            time="2026-11-21T00:00:01Z",
        )
    )
    console = Console(width=width, force_terminal=True, file=io.StringIO(), record=True)
    console.print(render(stats.snapshot(), SpanTotals(), exporting=False))
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    assert "00:00:01" in text
    assert "f" * 32 in text
