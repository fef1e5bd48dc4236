"""Forms in which settings may be written: JSON in a text, a list in a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lumigate import strict_json


def json_if_text(value: Any) -> Any:
    """Wrangler passes structured vars as objects; everyone else writes JSON."""
    if not isinstance(value, str):
        return value
    try:
        return strict_json.loads(value.encode())
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None


def split(value: Any, separator: str = ",") -> Any:
    """The parts of a text, without blanks around them; anything but a text is left for the next check."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(separator) if part.strip()]


def some_of(value: Any) -> Any:
    """The same, where the one part `none` means that there are none."""
    parts = split(value)
    return [] if parts == ["none"] else parts


def unknown_member(name: str, known: Iterable[str]) -> str:
    """What is wrong with a member that nobody reads, and which was probably meant."""
    import difflib  # a start that fails is rare, and may take its time

    names = tuple(known)
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.7)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
    return f"has no member {name[:40]!r}; {hint}"
