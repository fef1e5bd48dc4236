"""Attributes made fit for the wire, once, when they are set.

The ordinary case (text of at most 256 ASCII characters, bool, float, 64-bit int) is recognised with a type test and
copied whole. Everything else goes the slow way: subclasses become their plain type, bytes become text, sequences of
one type stay, lone surrogates become U+FFFD, long text is cut, and what has no place in an attribute is dropped and
counted. No value can make these functions raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from reprlib import Repr
from typing import Any, Final

from lumigate.telemetry.limits import MAX_SEQUENCE_ITEMS
from lumigate.telemetry.records import AttributeValue, Scalar

PLAIN_LENGTH: Final = 256
"""Text up to this length needs no look at the limits, and no exact accounting of its memory."""
PLAIN_ITEMS: Final = 4
PLAIN_ITEM_LENGTH: Final = PLAIN_LENGTH // PLAIN_ITEMS

_CONTAINERS: Final = (list, tuple, dict, set, frozenset, deque)
_SHOW: Final = Repr(maxlevel=4, maxlist=16, maxtuple=16, maxdict=16, maxset=16, maxstring=256, maxother=256)
"""A list of lists of itself has more text than memory has room, and `str` would write it all."""
_INT64_MIN: Final = -(1 << 63)
_INT64_MAX: Final = (1 << 63) - 1


_KNOWN_KEYS: Final[set[str]] = set()
"""Keys found clean before: a program has a few hundred, so looking them up in one go is cheaper than checking each."""
_MAX_KNOWN_KEYS: Final = 4096


def _learn(keys: Iterable[object]) -> bool:
    """Whether all keys are clean; they are remembered, as far as there is room."""
    for key in keys:
        if type(key) is not str or not key or not key.isascii() or len(key) > PLAIN_LENGTH:
            return False
        if len(_KNOWN_KEYS) < _MAX_KNOWN_KEYS:
            _KNOWN_KEYS.add(key)
    return True


def is_plain(value: object) -> bool:
    """Whether the value can be stored as it is. The common types are tested first."""
    kind = type(value)
    if kind is str:
        return len(value) <= PLAIN_LENGTH and value.isascii()  # type: ignore[arg-type,attr-defined]
    if kind is int:
        return _INT64_MIN <= value <= _INT64_MAX  # type: ignore[operator]
    return kind is bool or kind is float


def is_plain_list(value: object) -> bool:
    """Whether the value is a short list of short plain texts: names, of which a copy can be stored as it is."""
    if type(value) is not list or not 0 < len(value) <= PLAIN_ITEMS:
        return False
    # a loop: `all` over a generator takes twice as long for one or two items
    for item in value:  # noqa: SIM110
        if type(item) is not str or len(item) > PLAIN_ITEM_LENGTH or not item.isascii():
            return False
    return True


def are_plain(attributes: dict[Any, Any]) -> bool:
    """Whether all keys and values can be stored as they are, where texts of `PLAIN_LENGTH` are."""
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            if len(value) > PLAIN_LENGTH or not value.isascii():
                return False
        elif kind is int:
            if not _INT64_MIN <= value <= _INT64_MAX:
                return False
        elif kind is not bool and kind is not float:
            return False
    return _KNOWN_KEYS.issuperset(attributes) or _learn(attributes)


def cleaned(
    attributes: Mapping[Any, Any] | None, count_limit: int, length_limit: int
) -> tuple[dict[str, AttributeValue], int, bool]:
    """A fresh clean dict, how many were dropped, and whether it may be large (so that memory is counted exactly)."""
    if attributes is None:
        return {}, 0, False
    if (
        type(attributes) is dict
        and len(attributes) <= count_limit
        and length_limit >= PLAIN_LENGTH
        and are_plain(attributes)
    ):
        return attributes.copy(), 0, False
    target: dict[str, AttributeValue] = {}
    return target, clean_into(target, attributes, count_limit, length_limit), True


def clean_into(
    target: dict[str, AttributeValue], attributes: Mapping[Any, Any], count_limit: int, length_limit: int
) -> int:
    """Add what is fit to `target`, and return how many were dropped. Keys already there may be replaced."""
    dropped = 0
    try:
        items = list(attributes.items())
    except Exception:
        return 1
    for raw_key, raw_value in items:
        key = clean_key(raw_key, length_limit)
        if key is None or (key not in target and len(target) >= count_limit):
            dropped += 1
            continue
        value = clean_value(raw_value, length_limit)
        if value is None:
            dropped += 1
        else:
            target[key] = value
    return dropped


def clean_key(key: object, length_limit: int) -> str | None:
    if not isinstance(key, str):
        return None
    return clean_text(key, length_limit) or None


def clean_value(value: object, length_limit: int) -> AttributeValue | None:
    """The value as an attribute may hold it, or None if it has no place there."""
    try:
        if isinstance(value, (list, tuple)):
            return _clean_sequence(value, length_limit)
        return _clean_scalar(value, length_limit)
    except Exception:
        return None


def clean_text(text: str, length_limit: int) -> str:
    """Plain `str`, at most `length_limit` characters, encodable as UTF-8."""
    plain = text if type(text) is str else str.__str__(text)
    if len(plain) > length_limit:
        plain = plain[:length_limit]
    if plain.isascii():
        return plain
    try:
        plain.encode()
    except UnicodeEncodeError:
        # surrogate pairs become the character they stand for, lone ones U+FFFD
        return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return plain


def safe_text(value: object, length_limit: int) -> str:
    """`str(value)` made clean, of a container its beginning; the type's name if the value cannot even be shown."""
    try:
        if isinstance(value, str):
            return clean_text(value, length_limit)
        return clean_text(_SHOW.repr(value) if isinstance(value, _CONTAINERS) else str(value), length_limit)
    except Exception:
        return type(value).__name__


def _clean_scalar(value: object, length_limit: int) -> Scalar | None:
    if isinstance(value, str):
        return clean_text(value, length_limit)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        number = int(value)
        # the specification's rule for integers that do not fit: text
        return number if _INT64_MIN <= number <= _INT64_MAX else clean_text(str(number), length_limit)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (bytes, bytearray)):
        return clean_text(bytes(value[: length_limit * 4]).decode(), length_limit)
    return None


def _clean_sequence(values: list[Any] | tuple[Any, ...], length_limit: int) -> AttributeValue | None:
    items = [_clean_scalar(item, length_limit) for item in values[:MAX_SEQUENCE_ITEMS] if item is not None]
    kinds = {type(item) for item in items}
    if kinds == {int, float}:
        return [float(item) for item in items if item is not None]
    if None in items or len(kinds) > 1:
        return None
    return [item for item in items if item is not None]


def memory_of(attributes: Mapping[str, Any]) -> int:
    """A close upper estimate of the bytes the attributes hold."""
    total = 0
    for key, value in attributes.items():
        total += 120 + len(key)
        if type(value) is str:
            total += len(value) if value.isascii() else 4 * len(value)
        elif type(value) is list:
            total += sum(60 + (4 * len(item) if type(item) is str else 0) for item in value)
    return total
