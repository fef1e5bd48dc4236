"""`lumigate bench gateway`: ours beside LiteLLM's proxy and Portkey's gateway, one mock behind, one client in front.

All of them run from the start and are asked in turns, round by round, so that what slows the machine down slows all.
A figure is the median of its rounds. What is compared is not alike: ours checks an RS256 token, looks into its cache
(every prompt is new, so it misses) and exports every trace, metric and log; LiteLLM compares a key; Portkey does none
of it. The client, the mock and our collector share the machine with whoever is being measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import gateway_overhead, gateway_processes
from bench.gateway_load import Load, Order
from bench.gateway_servers import Server, Unavailable, litellm, lumigate, portkey, upstream
from bench.gateway_upstream import CHUNKS, MODEL
from local.toolchain import ROOT

RESULTS = Path(__file__).with_name("results") / "gateway.json"
CONNECTIONS = 16
WARM_UP_SECONDS = 4.0
PATH = "/v1/chat/completions"
MODES: Mapping[str, tuple[int, bool]] = {
    "whole": (CONNECTIONS, False),
    "stream": (CONNECTIONS, True),
    "alone": (1, False),
}
"""Name: connections, and whether answers are streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One server in one mode. Latencies in ms; CPU is the server's own, in ms a request."""

    server: str
    mode: str
    rps: float
    p50_ms: float
    p99_ms: float
    first_byte_p50_ms: float
    added_p50_ms: float
    added_p99_ms: float
    cpu_ms: float | None


def run(rounds: int, seconds: float, *, as_json: bool, save: bool) -> int:
    """Measure, print, and store where asked. 0: ours is measured; 2: it could not be."""
    try:
        report = measure(rounds, seconds)
    except Unavailable as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if save:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        _say(f"stored in {RESULTS}")
    print(json.dumps(report, indent=2) if as_json else table(report))
    return 0


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """The whole report. Rivals that are not to be had are left out and named in `missing`."""
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(upstream())
        servers = [mock]
        starts = (("Lumigate", lumigate), ("LiteLLM", litellm), ("Portkey", portkey))
        for name, start in starts:
            _say(f"starting {name}")
            try:
                servers.append(stack.enter_context(start(mock)))
            except Unavailable as error:
                if name == "Lumigate":
                    raise
                _say(f"{name} is left out: {error}")
                missing[name] = str(error)
        figures, memory = _contest(servers, mock, rounds, seconds)
        overhead = list(_overhead(mock, seconds, missing))
    return {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
        },
        "rounds": rounds,
        "seconds": seconds,
        "connections": CONNECTIONS,
        "chunks": CHUNKS,
        "figures": [asdict(figure) for figure in figures],
        "memory_mb": memory,
        "ratios": ratios(figures, memory),
        "overhead": overhead,
        "missing": missing,
    }


def ratios(figures: Sequence[Figure], memory: Mapping[str, float | None]) -> dict[str, dict[str, float]]:
    """Ours to each rival's: above 1 we do more requests, or add less latency, or take less memory."""
    by = {(figure.server, figure.mode): figure for figure in figures}
    found: dict[str, dict[str, float]] = {}
    for rival in dict.fromkeys(figure.server for figure in figures):
        if rival in ("mock", "Lumigate"):
            continue
        row = found.setdefault(rival, {})
        for mode in MODES:
            ours, theirs = by["Lumigate", mode], by[rival, mode]
            row[f"{mode}_rps"] = _ratio(ours.rps, theirs.rps)
            row[f"{mode}_added_p50"] = _ratio(theirs.added_p50_ms, ours.added_p50_ms)
            row[f"{mode}_added_p99"] = _ratio(theirs.added_p99_ms, ours.added_p99_ms)
        our_memory, their_memory = memory.get("Lumigate"), memory.get(rival)
        if our_memory and their_memory:
            row["memory"] = _ratio(their_memory, our_memory)
    return found


def _contest(
    servers: Sequence[Server], mock: Server, rounds: int, seconds: float
) -> tuple[list[Figure], dict[str, float | None]]:
    for server in servers:
        _say(f"warming {server.name} up")
        for mode in ("whole", "stream"):
            _load(server, mode, WARM_UP_SECONDS / 2)
    samples: dict[tuple[str, str], list[tuple[Load, float | None]]] = {}
    for number in range(rounds):
        for mode in MODES:
            for server in servers:
                _say(f"round {number + 1} of {rounds}: {server.name}, {mode}")
                samples.setdefault((server.name, mode), []).append(_load(server, mode, seconds))
    memory = {s.name: gateway_processes.memory_mb(s.pid) for s in servers if s is not mock}
    direct = {mode: [load for load, _ in samples["mock", mode]] for mode in MODES}
    return [_figure(server, mode, taken, direct[mode]) for (server, mode), taken in samples.items()], memory


def _load(server: Server, mode: str, seconds: float) -> tuple[Load, float | None]:
    """One turn, and the CPU time of a request in it. Raises `Unavailable` where anything went wrong."""
    connections, stream = MODES[mode]
    order = Order(
        url=f"{server.url}{PATH}",
        headers=dict(server.headers),
        body={"model": MODEL, "stream": stream},
        connections=connections,
        seconds=seconds,
    )
    return loaded(server, order)


def loaded(server: Server, order: Order) -> tuple[Load, float | None]:
    """Carry an order out in a process of its own. Raises `Unavailable` where an answer was not a good one."""
    before = gateway_processes.cpu_seconds(server.pid)
    done = subprocess.run(
        [sys.executable, "-m", "bench.gateway_load"],
        cwd=ROOT,
        input=json.dumps(asdict(order)),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=order.seconds + 60,
    )
    after = gateway_processes.cpu_seconds(server.pid)
    if done.returncode:
        raise Unavailable("the load client failed; its words are above")
    load = Load(**json.loads(done.stdout))
    if load.failures or not load.requests:
        words = f"{load.failures} {load.sample}" if load.failures else "not at all"
        raise Unavailable(f"{server.name} did not answer as it should: {words}")
    if before is None or after is None:
        return load, None
    return load, (after - before) * 1e3 / load.sent


def _figure(
    server: str, mode: str, taken: Sequence[tuple[Load, float | None]], direct: Sequence[Load]
) -> Figure:
    loads = [load for load, _ in taken]
    cpu = [seconds for _, seconds in taken if seconds is not None]
    p50, p99 = median(load.p50_ms for load in loads), median(load.p99_ms for load in loads)
    return Figure(
        server=server,
        mode=mode,
        rps=median(load.rps for load in loads),
        p50_ms=p50,
        p99_ms=p99,
        first_byte_p50_ms=median(load.first_byte_p50_ms for load in loads),
        added_p50_ms=p50 - median(load.p50_ms for load in direct),
        added_p99_ms=p99 - median(load.p99_ms for load in direct),
        cpu_ms=median(cpu) if cpu else None,
    )


def _overhead(mock: Server, seconds: float, missing: dict[str, str]) -> Iterator[dict[str, Any]]:
    """What one request and one streamed chunk cost in CPU time, cache off, on this CPython and in Pyodide."""
    for runtime, start in gateway_overhead.RUNTIMES.items():
        _say(f"CPU time of a request: {runtime}")
        try:
            with start(mock) as server:
                yield gateway_overhead.costs(runtime, server, seconds, loaded)
        except Unavailable as error:
            missing[f"CPU time, {runtime}"] = str(error)


def table(report: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{'':<9} {'':<7} {'req/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'+p50':>8} {'+p99':>8} {'CPU ms':>8}"
    ]
    for mode in MODES:
        for row in report["figures"]:
            if row["mode"] == mode:
                cpu = "" if row["cpu_ms"] is None else f"{row['cpu_ms']:.3f}"
                cells = (row[key] for key in ("p50_ms", "p99_ms", "added_p50_ms", "added_p99_ms"))
                numbers = " ".join(f"{cell:>8.2f}" for cell in cells)
                lines.append(f"{row['server']:<9} {mode:<7} {row['rps']:>9.0f} {numbers} {cpu:>8}")
    for name, megabytes in report["memory_mb"].items():
        if megabytes is not None:
            lines.append(f"memory after the load: {name} {megabytes:.0f} MB")
    for rival, row in report["ratios"].items():
        said = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in row.items())
        lines.append(f"ours to {rival}'s (above 1 is better): {said}")
    lines += [
        f"CPU time, cache off, {row['runtime']}: {row['request_ms']:.2f} ms a request, "
        f"{row['chunk_us']:.1f} us a streamed chunk"
        for row in report["overhead"]
    ]
    lines += [f"{name} is missing: {reason}" for name, reason in report["missing"].items()]
    return "\n".join(lines)


def _ratio(one: float, other: float) -> float:
    return round(one / other, 2) if other > 0 else 0.0


def _say(words: str) -> None:
    print(f"… {words}", file=sys.stderr)
