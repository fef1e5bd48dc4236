"""A day of traffic over many isolates, simulated: which tier answers, and what that saves, at several settings.

Memory is the real tier of the gateway, one an isolate; KV and R2 are dictionaries with the times that the settings
say. Prompts repeat by Zipf's law, traffic has a day's shape, isolates live for an hour or so and a request comes to
any of them. What is written to KV is seen by other isolates after `KV_SEEN_SECONDS` (KV says: up to a minute). A model
takes `MODEL_SECONDS`; who asks the same meanwhile in the same isolate waits for it, in another isolate asks again.

`python -m bench.cache_day --chart docs/cache-day.svg` draws the chart that the documents show.
"""

from __future__ import annotations

import argparse
import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from lumigate.cache.entry import Entry
from lumigate.cache.memory import MemoryTier
from lumigate.cache.settings import CacheRules, CacheSettings

DAY_SECONDS = 86_400
KV_SEEN_SECONDS = 30.0
MODEL_SECONDS = 3.0
_NS = 1_000_000_000
TIERS = ("l1", "l2", "l3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How an application asks. `unique` is the share of requests that nobody ever makes again."""

    name: str
    requests: int
    prompts: int
    skew: float
    unique: float
    isolates: int = 40
    isolate_hours: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is set, and which tiers the deployment has."""

    name: str
    settings: CacheSettings = field(default_factory=CacheSettings)
    tiers: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What came of it."""

    profile: str
    setup: str
    requests: int
    hits: dict[str, int]
    saved_usd: float
    spent_usd: float

    @property
    def hit_rate(self) -> float:
        return sum(self.hits.values()) / self.requests


REPEAT_HEAVY = Profile(name="repeat-heavy", requests=300_000, prompts=12_000, skew=1.05, unique=0.02)
MIXED = Profile(name="mixed", requests=300_000, prompts=60_000, skew=0.95, unique=0.25)
PROFILES = (REPEAT_HEAVY, MIXED)


def _rules(**changes: int) -> CacheSettings:
    return CacheSettings(rules=CacheRules(**changes))


SETUPS = (
    Setup(name="default"),
    Setup(name="memory only", tiers=1),
    Setup(name="memory and KV", tiers=2),
    Setup(name="L1 of 1 MB", settings=CacheSettings(l1_bytes=1_000_000)),
    Setup(name="fresh for 1 h", settings=_rules(ttl_seconds=3600, stale_while_revalidate_seconds=0)),
    Setup(name="KV for 6 h", settings=_rules(l2_ttl_seconds=21_600)),
)


def simulate(profile: Profile, setup: Setup, seed: int = 1) -> Day:
    """One day, from cold."""
    rules, chance = setup.settings.rules, random.Random(seed)
    longest = (rules.l1_ttl_seconds, rules.l2_ttl_seconds, rules.l3_ttl_seconds)[setup.tiers - 1]
    fresh_ns = (rules.ttl_seconds or longest) * _NS
    memories = [_memory(setup) for _ in range(profile.isolates)]
    kv: dict[str, tuple[float, int]] = {}
    r2: dict[str, int] = {}
    under_way: dict[tuple[int, str], float] = {}
    hits: Counter[str] = Counter()
    saved = spent = 0.0
    for second, key in _requests(profile, chance):
        now, isolate = int(second * _NS), chance.randrange(profile.isolates)
        if (
            chance.random()
            < profile.isolates / (profile.isolate_hours * 3600) * DAY_SECONDS / profile.requests
        ):
            memories[isolate] = _memory(setup)
        cost, size = _cost_and_size(key)
        memory = memories[isolate]
        found, entry = memory.get(key, now)
        if entry is not None and entry.is_fresh(now):
            tier = "l1"
        elif under_way.get((isolate, key), 0.0) > second:
            tier = "l1"  # it waits for who asked first, and is answered from memory
        elif (
            setup.tiers > 1
            and key in kv
            and kv[key][0] <= second
            and now < min(kv[key][1], int(kv[key][0] * _NS) + rules.l2_ttl_seconds * _NS)
        ):
            tier = "l2"
            memory.put(key, _entry(size, kv[key][1]), now, rules.l1_ttl_seconds)
        elif setup.tiers > 2 and now < r2.get(key, 0):
            tier = "l3"
            memory.put(key, _entry(size, r2[key]), now, rules.l1_ttl_seconds)
            kv[key] = (second + KV_SEEN_SECONDS, r2[key])
        else:
            del found
            spent += cost
            until = now + fresh_ns
            memory.put(key, _entry(size, until), now, rules.l1_ttl_seconds)
            kv[key] = (second + MODEL_SECONDS + KV_SEEN_SECONDS, until)
            r2[key] = until
            under_way[isolate, key] = second + MODEL_SECONDS
            continue
        hits[tier] += 1
        saved += cost
    return Day(
        profile=profile.name,
        setup=setup.name,
        requests=profile.requests,
        hits={tier: hits[tier] for tier in TIERS},
        saved_usd=saved,
        spent_usd=spent,
    )


def _memory(setup: Setup) -> MemoryTier:
    return MemoryTier(setup.settings.l1_bytes, setup.settings.rules.l1_ttl_seconds)


def _requests(profile: Profile, chance: random.Random) -> Iterator[tuple[float, str]]:
    """When, and what: twice as many by day as by night."""
    weights = list(accumulate(1 / rank**profile.skew for rank in range(1, profile.prompts + 1)))
    times = sorted(_moment(chance) for _ in range(profile.requests))
    for number, second in enumerate(times):
        if chance.random() < profile.unique:
            yield second, f"unique {number}"
        else:
            yield second, f"prompt {bisect_left(weights, chance.random() * weights[-1])}"


def _moment(chance: random.Random) -> float:
    while True:
        second = chance.random() * DAY_SECONDS
        if chance.random() < 0.67 - 0.33 * math.cos(2 * math.pi * second / DAY_SECONDS):
            return second


def _cost_and_size(key: str) -> tuple[float, int]:
    """Of an answer of gpt-5-mini: some hundred tokens, the same for a prompt at every time."""
    spread = random.Random(key).lognormvariate(0, 0.7)
    tokens_in, tokens_out = 600 * spread, 350 * spread
    return (tokens_in * 0.25 + tokens_out * 2.0) / 1e6, int(900 + 5 * tokens_out)


def _entry(size: int, until_ns: int) -> Entry:
    return Entry(
        content_type="application/json",
        provider="openai",
        model="gpt-5-mini",
        input_tokens=0,
        output_tokens=0,
        cost_usd=0.0,
        asked_ns=0,
        fresh_ns=until_ns,
        expires_ns=until_ns,
        body=_Sized(size),
    )


class _Sized(bytes):
    """A body of which only the length matters."""

    _size: int

    def __new__(cls, size: int) -> _Sized:
        made = super().__new__(cls)
        made._size = size
        return made

    def __len__(self) -> int:
        return self._size


def days() -> list[Day]:
    return [simulate(profile, setup) for profile in PROFILES for setup in SETUPS]


def rows(of: Sequence[Day]) -> list[dict[str, object]]:
    """As `lumigate bench` prints them; the bar is what the default promises on repeat-heavy traffic."""
    told: list[dict[str, object]] = []
    for day in of:
        promised = day.setup == "default" and day.profile == REPEAT_HEAVY.name
        bar = 90.0 if promised else 0.0
        parts = ", ".join(f"{tier} {100 * count / day.requests:.1f}%" for tier, count in day.hits.items())
        told.append(
            {
                "what": f"a day, {day.profile}, {day.setup}: {parts}; "
                f"saved ${day.saved_usd:.0f} of ${day.saved_usd + day.spent_usd:.0f}",
                "ours_us": None,
                "rival_us": None,
                "ratio": round(100 * day.hit_rate, 2),
                "bar": bar,
                "holds": 100 * day.hit_rate >= bar,
                "unit": "%",
                "at_most": False,
            }
        )
    return told


# --- the chart ------------------------------------------------------------------------------------------------------

_COLOURS = {"l1": "#1b7f79", "l2": "#4cb5ae", "l3": "#a8dcd9", "miss": "#d9d4cf"}
_WIDTH, _LEFT, _BAR, _GAP = 760, 150, 22, 8


def chart(of: Sequence[Day]) -> str:
    """Stacked bars, one a setting: what share of the requests each tier answered, and the money."""
    parts: list[str] = []
    y = 34
    for profile in dict.fromkeys(day.profile for day in of):
        parts.append(f'<text x="0" y="{y}" font-weight="bold">{profile}</text>')
        y += 12
        for day in (day for day in of if day.profile == profile):
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{day.setup}</text>')
            x = float(_LEFT)
            shares = {tier: count / day.requests for tier, count in day.hits.items()}
            for tier, share in (*shares.items(), ("miss", 1 - day.hit_rate)):
                width = share * (_WIDTH - _LEFT - 150)
                parts.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{_COLOURS[tier]}"/>'
                )
                x += width
            money = f"{100 * day.hit_rate:.1f}% · ${day.saved_usd:.0f} saved"
            parts.append(f'<text x="{x + 8:.0f}" y="{y + 15}">{money}</text>')
            y += _BAR + _GAP
        y += 22
    for number, (tier, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + 90 * number
        parts.append(f'<rect x="{x}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="18">{tier}</text>')
    style = "font-family:system-ui,sans-serif;font-size:12px"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}" '
        f'style="{style}" role="img"><title>Which tier answers, over a simulated day</title>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw a simulated day of the cache.")
    parser.add_argument("--chart", type=Path, required=True)
    arguments = parser.parse_args()
    of = days()
    arguments.chart.write_text(chart(of), encoding="utf-8")
    for row in rows(of):
        print(f"{row['ratio']:>6} %  {row['what']}")


if __name__ == "__main__":
    main()
