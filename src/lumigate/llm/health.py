"""What an isolate knows of its providers: how fast each candidate has been, and which provider is failing.

Plain data that outlives requests; another isolate may see things otherwise. Latency is an exponentially weighted mean
of the time to a stream's first chunk, or of the whole time where the answer is none. It may be seeded from a
snapshot, which the first measurement of our own outweighs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lumigate.llm.provider import mapping

NEWEST_WEIGHT = 0.2
THRESHOLD = 5
"""Failures in a row after which a provider is passed over."""
FIRST_PAUSE_NS = 15_000_000_000
LONGEST_PAUSE_NS = 240_000_000_000
PROBE_NS = 60_000_000_000
"""A probe that has not come back by then no longer keeps others from trying."""
MAX_CANDIDATES = 512
"""Bound of a snapshot that is read: it is data from outside the isolate."""


type BreakerState = Literal["closed", "open", "half_open"]


class Breaker:
    """Closed until `THRESHOLD` failures in a row; then open for a pause that doubles; then one probe decides."""

    __slots__ = ("_failures", "_pause_ns", "_probing_since_ns", "_reopens_ns")

    def __init__(self) -> None:
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._reopens_ns = 0
        self._probing_since_ns = 0

    def admits(self, now_ns: int) -> bool:
        """Whether the provider may be asked now."""
        if self._failures < THRESHOLD:
            return True
        return now_ns >= self._reopens_ns and now_ns - self._probing_since_ns >= PROBE_NS

    def state(self, now_ns: int) -> BreakerState:
        """How it stands. `half_open`: its pause is over, or its probe under way."""
        if self._failures < THRESHOLD:
            return "closed"
        return "half_open" if now_ns >= self._reopens_ns else "open"

    def begin(self, now_ns: int) -> BreakerState | None:
        """A call begins; while the breaker is not closed it is the probe. The state that this moves it to, if any."""
        if self._failures < THRESHOLD:
            return None
        self._probing_since_ns = now_ns
        return "half_open"

    def succeeded(self) -> BreakerState | None:
        """The provider answered. The state that this moves the breaker to, if any."""
        was_closed = self._failures < THRESHOLD
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._probing_since_ns = 0
        return None if was_closed else "closed"

    def failed(self, now_ns: int) -> BreakerState | None:
        """The provider failed us. The state that this moves the breaker to, if any."""
        self._failures += 1
        self._probing_since_ns = 0
        if self._failures < THRESHOLD:
            return None
        self._reopens_ns = now_ns + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
        return "open"


class Health:
    """One an isolate. Candidates are known by `provider/model`, providers by name."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}
        self._live_ms: dict[str, float] = {}
        self._seeded_ms: dict[str, float] = {}

    def breaker(self, provider: str) -> Breaker:
        breaker = self._breakers.get(provider)
        if breaker is None:
            breaker = self._breakers[provider] = Breaker()
        return breaker

    def latency_ms(self, candidate: str, *, stream: bool) -> float | None:
        """None where nobody has measured yet."""
        key = _key(candidate, stream)
        live = self._live_ms.get(key)
        return self._seeded_ms.get(key) if live is None else live

    def measured(self, candidate: str, milliseconds: float, *, stream: bool) -> None:
        key = _key(candidate, stream)
        before = self._live_ms.get(key)
        if before is None:
            self._live_ms[key] = milliseconds
        else:
            self._live_ms[key] = before + NEWEST_WEIGHT * (milliseconds - before)

    def seed(self, snapshot: Mapping[str, Any]) -> None:
        """Take what others have measured. Tolerant: what makes no sense is passed over."""
        measured = list(mapping(snapshot.get("latency_ms")).items())[:MAX_CANDIDATES]
        self._seeded_ms = {
            key: float(value)
            for key, value in measured
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 3_600_000
        }

    def snapshot(self) -> dict[str, Any]:
        """What this isolate and the snapshot it was seeded from know together."""
        return {
            "latency_ms": {key: round(value, 3) for key, value in (self._seeded_ms | self._live_ms).items()}
        }


def _key(candidate: str, stream: bool) -> str:
    return f"{candidate} stream" if stream else candidate
