"""The gateway's own telemetry in the terminal: a table that refreshes, or a plain line every five seconds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.live_stats import LiveStats, Snapshot

if TYPE_CHECKING:
    from lumigate.telemetry import QueueStats, TelemetryStats

REFRESH_SECONDS = 0.5
LINE_SECONDS = 5.0
_CELLS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanTotals:
    """What the telemetry engine says of its spans."""

    kept: int = 0
    sampled_out: int = 0
    dropped: int = 0
    exported: int = 0
    waiting: int = 0
    """To be exported."""
    trouble: str = ""
    """Why exports fail now; empty where they do not."""


type Cell = tuple[str, str, str]
"""A figure, its unit, the figure's style."""

type Totals = Callable[[], SpanTotals]


def span_totals(gateway: object) -> SpanTotals:
    """The totals of a gateway's `telemetry.stats()`; zeros where it has none."""
    telemetry = getattr(gateway, "telemetry", None)
    if telemetry is None:
        return SpanTotals()
    stats: TelemetryStats = telemetry.stats()
    queues = [queue for queue in stats.queues if queue.signal == "traces"]
    return SpanTotals(
        kept=stats.spans_kept,
        sampled_out=stats.spans_sampled_out,
        dropped=stats.spans_dropped,
        exported=stats.spans_exported,
        waiting=sum(queue.items for queue in queues),
        trouble=next((queue.last_error for queue in queues if _is_failing(queue)), ""),
    )


def _is_failing(queue: QueueStats) -> bool:
    return queue.exports_failed > 0 and (queue.exports_ok == 0 or queue.breaker != "closed")


async def show_live(stats: LiveStats, totals: Totals, console: Console, *, exporting: bool) -> None:
    """Show the figures until cancelled, in the way that suits the console."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_SECONDS)
            print(plain_line(stats.snapshot(), totals()), flush=True)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            live.update(render(stats.snapshot(), totals(), exporting=exporting), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)


def plain_line(snapshot: Snapshot, totals: SpanTotals) -> str:
    """One line for a log: `name=value` pairs in a fixed order."""
    cache = snapshot.cache
    pairs = {
        "requests": snapshot.requests,
        "rps": f"{snapshot.requests_per_second:.1f}",
        "refused": snapshot.refused,
        "failed": snapshot.failed,
        "aborted": snapshot.aborted,
        "p50_ms": _milliseconds(snapshot.p50_ms),
        "p95_ms": _milliseconds(snapshot.p95_ms),
        "hits_l1": cache["hit-l1"],
        "hits_l2": cache["hit-l2"],
        "hits_l3": cache["hit-l3"],
        "misses": cache["miss"],
        "tokens": snapshot.input_tokens + snapshot.output_tokens,
        "cost_usd": f"{snapshot.cost_usd:.4f}",
        "spans_kept": totals.kept,
        "spans_sampled_out": totals.sampled_out,
        "spans_dropped": totals.dropped,
        "spans_exported": totals.exported,
    }
    line = " ".join(f"{name}={value}" for name, value in pairs.items())
    return f"{line} export_fails={json.dumps(totals.trouble)}" if totals.trouble else line


def render(snapshot: Snapshot, totals: SpanTotals, *, exporting: bool) -> Panel:
    """The table for a terminal of 80 columns or more."""
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", min_width=8)
    for _ in range(_CELLS):
        table.add_column(justify="right", no_wrap=True)
        table.add_column(style="dim", min_width=8, no_wrap=True)
    share = snapshot.hit_share
    cache = snapshot.cache
    rows: dict[str, list[Cell]] = {
        "requests": [
            (f"{snapshot.requests_per_second:.1f}", "a second", "bold"),
            (f"{snapshot.requests:,}", "in all", ""),
        ],
        "errors": [
            (f"{snapshot.failed:,}", "failed", "bold red" if snapshot.failed else "green"),
            (f"{snapshot.refused:,}", "refused", "yellow" if snapshot.refused else ""),
            (f"{snapshot.aborted:,}", "hung up", ""),
        ],
        "latency": [
            (_milliseconds(snapshot.p50_ms), "ms p50", "bold"),
            (_milliseconds(snapshot.p95_ms), "ms p95", ""),
            (_milliseconds(snapshot.ttfc_p50_ms), "ms ttfc", ""),
        ],
        "cache": [
            ("-" if share is None else f"{share:.0%}", "hits", "bold"),
            (f"{cache['miss']:,}", "misses", ""),
            (f"{cache['bypass']:,}", "bypassed", ""),
        ],
        "tiers": [
            (f"{cache['hit-l1']:,}", "l1", ""),
            (f"{cache['hit-l2']:,}", "l2", ""),
            (f"{cache['hit-l3']:,}", "l3", ""),
        ],
        "tokens": [
            (f"{snapshot.input_tokens:,}", "in", ""),
            (f"{snapshot.output_tokens:,}", "out", ""),
            (f"${snapshot.cost_usd:.4f}", "cost", "bold"),
        ],
        "spans": [
            (f"{totals.kept:,}", "kept", ""),
            (f"{totals.sampled_out:,}", "sampled out", ""),
            (f"{totals.dropped:,}", "dropped", "bold red" if totals.dropped else ""),
            (f"{totals.exported:,}" if exporting else "-", "exported", ""),
        ],
    }
    for name, cells in rows.items():
        table.add_row(name, *(part for figure, unit, style in cells for part in (Text(figure, style), unit)))
    return Panel(
        Group(table, *_trouble(totals), *_failures(snapshot)),
        title="lumigate",
        title_align="left",
        border_style="dim",
    )


def _trouble(totals: SpanTotals) -> list[Text]:
    """Spans that nobody takes look like spans of a moment ago otherwise."""
    if not totals.trouble:
        return []
    return [Text(f"\nexports fail: {totals.trouble}; {totals.waiting:,} spans wait", style="red")]


def _failures(snapshot: Snapshot) -> list[Text]:
    """One line each, cut at the right where the terminal is narrow: what matters most comes first."""
    lines = [Text("\nlast failures", style="dim")] if snapshot.failures else []
    for failure in reversed(snapshot.failures):
        line = Text(f"{failure.time}  ", no_wrap=True, overflow="ellipsis")
        line.append(f"{failure.status}  {failure.code:<25} ", style="red")
        line.append(failure.trace_id)
        line.append(f"  {failure.route}", style="dim")
        lines.append(line)
    return lines


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
