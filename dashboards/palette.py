"""Colours that a colour-blind person can tell apart, and the same colour for the same meaning on every dashboard.

After M. Okabe and K. Ito, Color Universal Design, https://jfly.uni-koeln.de/color/. Red against green is not among
them: good is blue, a warning is orange, bad is vermilion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
YELLOW: Final = "#F0E442"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#999999"

GOOD: Final = BLUE
WARNING: Final = ORANGE
BAD: Final = VERMILION
CYCLE: Final = (BLUE, ORANGE, SKY, PURPLE, GREEN, YELLOW, VERMILION, GREY)
SAFE: Final = frozenset(CYCLE)
OPEN_SET: Final = "continuous-YlBl"
"""For series whose number is not known (models, tenants): yellow to blue by value, which reads without hues."""
HEAT: Final = "Viridis"

MEANINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ok", "complete", "allowed", "stored", "kept", "hit", "hit-l1", "200"), BLUE),
    **dict.fromkeys(("hit-l2", "duplicate", "l1"), SKY),
    **dict.fromkeys(("miss", "refused", "missing", "l2", "404"), ORANGE),
    **dict.fromkeys(("bypass", "client_abort", "499", "sampled_out", "expired"), GREY),
    **dict.fromkeys(
        ("error", "denied", "limited", "rolled_back", "unavailable", "500", "internal_error"), VERMILION
    ),
    **dict.fromkeys(("upstream_error", "upstream_failed", "502", "connection"), PURPLE),
    **dict.fromkeys(("truncated", "upstream_timeout", "timeout", "429", "throttled"), YELLOW),
}
"""Values that mean the same wherever they appear."""


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name: the one of its meaning, else the next that is free.

    Where there are more names than colours, only those with a meaning have one: two series of one colour would say
    less than shades by value.
    """
    names = list(names)
    if len(names) > len(CYCLE):
        return {name: MEANINGS[name] for name in names if name in MEANINGS}
    taken = {MEANINGS[name] for name in names if name in MEANINGS}
    free = [colour for colour in CYCLE if colour not in taken] or list(CYCLE)
    unnamed = [name for name in names if name not in MEANINGS]
    cycled = {name: free[index % len(free)] for index, name in enumerate(unnamed)}
    return {name: MEANINGS.get(name) or cycled[name] for name in names}


def override(name: str, colour: str) -> dict[str, Any]:
    """A field override that gives the series of that name its colour."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
    }


def steps(
    warning: float | None = None, bad: float | None = None, *, falling: bool = False
) -> list[dict[str, Any]]:
    """Threshold steps from good to bad. `falling`: small values are the bad ones."""
    if warning is None and bad is None:
        return [{"color": GOOD, "value": None}]
    if not falling:
        found: list[dict[str, Any]] = [{"color": GOOD, "value": None}]
        found += [{"color": WARNING, "value": warning}] if warning is not None else []
        return found + ([{"color": BAD, "value": bad}] if bad is not None else [])
    found = [{"color": BAD if bad is not None else WARNING, "value": None}]
    found += [{"color": WARNING, "value": bad}] if bad is not None and warning is not None else []
    top = warning if warning is not None else bad
    return [*found, {"color": GOOD, "value": top}]
