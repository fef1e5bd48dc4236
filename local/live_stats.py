"""What the live view shows, computed from wide events: pure bookkeeping, fed one JSON line at a time."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RATE_SECONDS = 5.0
LATENCY_SECONDS = 60.0
_KEPT_LATENCIES = 20_000

TIERS = ("hit-l1", "hit-l2", "hit-l3", "miss", "bypass")
_HOW = re.compile("^(?:stale|near)-")
"""A tier that answers with a stale or a near answer answers, too."""
_FAILED = ("upstream_error", "truncated", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One request that ended badly."""

    time: str
    status: int
    code: str
    route: str
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The figures at one moment. Rates are over the last 5 s, latencies over the last minute, the rest in all."""

    requests: int
    requests_per_second: float
    refused: int
    failed: int
    aborted: int
    p50_ms: float | None
    p95_ms: float | None
    ttfc_p50_ms: float | None
    cache: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost_usd: float
    failures: tuple[Failure, ...]

    @property
    def hit_share(self) -> float | None:
        """The share of lookups that found something; bypasses are no lookups."""
        hits = sum(count for tier, count in self.cache.items() if tier.startswith("hit"))
        lookups = hits + self.cache.get("miss", 0)
        return hits / lookups if lookups else None


class LiveStats:
    """Feed it every line of the console. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._arrivals: deque[float] = deque()
        self._durations: deque[tuple[float, float]] = deque(maxlen=_KEPT_LATENCIES)
        self._first_chunks: deque[tuple[float, float]] = deque(maxlen=_KEPT_LATENCIES)
        self._failures: deque[Failure] = deque(maxlen=5)
        self._cache: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._cost_usd = 0.0

    def feed(self, line: str) -> None:
        """Take in one line; whatever is not a request event is passed over."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict) or event.get("event") != "request":
            return
        now = self._now()
        self._arrivals.append(now)
        self._counts["requests"] += 1
        self._durations.append((now, _number(event, "duration_ms")))
        if event.get("ttfc_ms") is not None and event.get("stream"):
            self._first_chunks.append((now, _number(event, "ttfc_ms")))
        if (tier := _HOW.sub("hit-", str(event.get("cache")))) in TIERS:
            self._cache[tier] += 1
        self._counts["input_tokens"] += int(_number(event, "input_tokens"))
        self._counts["output_tokens"] += int(_number(event, "output_tokens"))
        self._cost_usd += _number(event, "cost_usd")
        self._judge(event)

    def snapshot(self) -> Snapshot:
        now = self._now()
        while self._arrivals and self._arrivals[0] <= now - RATE_SECONDS:
            self._arrivals.popleft()
        durations = _recent(self._durations, now)
        return Snapshot(
            requests=self._counts["requests"],
            requests_per_second=len(self._arrivals) / RATE_SECONDS,
            refused=self._counts["refused"],
            failed=self._counts["failed"],
            aborted=self._counts["aborted"],
            p50_ms=_quantile(durations, 0.50),
            p95_ms=_quantile(durations, 0.95),
            ttfc_p50_ms=_quantile(_recent(self._first_chunks, now), 0.50),
            cache={tier: self._cache[tier] for tier in TIERS},
            input_tokens=self._counts["input_tokens"],
            output_tokens=self._counts["output_tokens"],
            cost_usd=self._cost_usd,
            failures=tuple(self._failures),
        )

    def _judge(self, event: dict[str, Any]) -> None:
        status = int(_number(event, "status"))
        outcome = event.get("outcome")
        if outcome == "client_abort":
            self._counts["aborted"] += 1
        elif status >= 500 or outcome in _FAILED:
            self._counts["failed"] += 1
            self._failures.append(
                Failure(
                    time=str(event.get("time", ""))[11:19],
                    status=status,
                    code=str(event.get("error_code") or outcome or ""),
                    route=str(event.get("route") or ""),
                    trace_id=str(event.get("trace_id") or ""),
                )
            )
        elif status >= 400:
            self._counts["refused"] += 1


def _number(event: dict[str, Any], name: str) -> float:
    value = event.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _recent(samples: deque[tuple[float, float]], now: float) -> list[float]:
    while samples and samples[0][0] <= now - LATENCY_SECONDS:
        samples.popleft()
    return sorted(value for _, value in samples)


def _quantile(ordered: list[float], share: float) -> float | None:
    """The smallest value that at least `share` of the samples do not exceed."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
