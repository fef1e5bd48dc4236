"""Reversible tokens: `<EMAIL_1>` goes to the model, the address comes back to the caller.

A table belongs to one request. The same value gets the same token throughout it; a number that the request's own text
already uses in something like a token is not given out, so that restoring never touches what the caller wrote. A
model that changes a token's case, escapes it for markdown or HTML, or sets it in full-width brackets is understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache

from lumigate.privacy.kinds import Kind

MAX_TOKEN_CHARS = 40
"""The longest form of a token that is understood."""

_NAMES = "|".join(sorted((kind.name.replace("_", r"\\?[_ ]") for kind in Kind), key=len, reverse=True))


def _token(opener: str, closer: str, number: int) -> str:
    """One way to write a token; its groups need a number of their own."""
    return rf"{opener} ?(?P<name{number}>{_NAMES})\\?[_ -]?(?P<number{number}>[0-9]{{1,6}}) ?{closer}"


def _beginning(name: str) -> str:
    """Every beginning of a name that ends the text, and the whole name with what may follow it."""
    if not name:
        return r"[0-9A-Za-z_ \\&-]{0,16}\Z"
    letter = r"\\?(?:\Z|[_ ]" if name[0] == "_" else f"(?:{name[0]}"
    return rf"{letter}(?:\Z|{_beginning(name[1:])}))"


# Compiled by the first text that asks, since few do: only one of the policies gives out tokens.
@cache
def _token_pattern() -> re.Pattern[str]:
    ways = (("[<\uff1c]", "[>\uff1e]"), (r"\\<", r"\\>"), ("&lt;", "&gt;"), (r"\\u003c", r"\\u003e"))
    tokens = (_token(opener, closer, number) for number, (opener, closer) in enumerate(ways))
    return re.compile("|".join(tokens), re.IGNORECASE | re.ASCII)


@cache
def _unfinished_pattern() -> re.Pattern[str]:
    beginnings = "|".join(_beginning(kind.name) for kind in Kind)
    return re.compile(
        rf"(?:[<\uff1c]|&lt;|\\u003c) ?(?:\Z|{beginnings})|\\(?:u0{{0,2}}3?)?\Z|&l?t?\Z",
        re.IGNORECASE | re.ASCII,
    )


_OPENERS = ("<", "\uff1c", "\\", "&")
_NOT_A_LETTER = re.compile(r"[^A-Z]+")
_BY_LETTERS = {kind.name.replace("_", ""): kind for kind in Kind}


class TokenTable:
    """The tokens of one request. `reserve` every text first, then ask for tokens."""

    __slots__ = ("_counts", "_taken", "_tokens", "_values")

    def __init__(self) -> None:
        self._tokens: dict[tuple[Kind, str], str] = {}
        self._values: dict[tuple[Kind, int], str] = {}
        self._counts: dict[Kind, int] = {}
        self._taken: set[tuple[Kind, int]] = set()

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"TokenTable({len(self)} values)"

    def reserve(self, text: str) -> None:
        """Note the tokens that a text contains by itself, so that none of them is given out."""
        if any(opener in text for opener in _OPENERS):
            self._taken.update(_meant(match) for match in _token_pattern().finditer(text))

    def token(self, kind: Kind, value: str) -> str:
        """The token of a value: the one it has, or the next that is free."""
        token = self._tokens.get((kind, value))
        if token is None:
            number = self._counts.get(kind, 0) + 1
            while (kind, number) in self._taken:
                number += 1
            self._counts[kind] = number
            token = self._tokens[kind, value] = f"<{kind.name}_{number}>"
            self._values[kind, number] = value
        return token

    def restore(self, text: str) -> str:
        """The text with the values in place of their tokens. A token that was not given out stays as it is."""
        return self._restore(text, _as_it_is)

    def restore_json(self, text: str) -> str:
        """The same inside JSON text (arguments of a tool call): values are escaped as a JSON string needs it."""
        return self._restore(text, _escaped)

    def held_from(self, text: str) -> int:
        """Where the beginning of what may become a token stands at the end of a text; its length if nowhere."""
        start = max(0, len(text) - MAX_TOKEN_CHARS)
        match = _unfinished_pattern().search(text, start)
        return match.start() if match else len(text)

    def _restore(self, text: str, written: Callable[[str], str]) -> str:
        if not self._values or not any(opener in text for opener in _OPENERS):
            return text

        def put_back(match: re.Match[str]) -> str:
            value = self._values.get(_meant(match))
            return match[0] if value is None else written(value)

        return _token_pattern().sub(put_back, text)


def _meant(match: re.Match[str]) -> tuple[Kind, int]:
    name, number = (group for group in match.groups() if group is not None)
    return _BY_LETTERS[_NOT_A_LETTER.sub("", name.upper())], int(number)


def _as_it_is(value: str) -> str:
    return value


def _escaped(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
