"""Forms in which settings may be written: JSON in a text, a list in a text."""

from __future__ import annotations

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
