"""What pydantic found wrong with a body, as the one thing that a caller is told: the field, and what it may be.

A field that may be one of several types is named without the type that was tried; of what is wrong with each of them
the deepest is told, since that is the type that was meant. Nothing the caller wrote is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from lumigate.errors import InvalidRequest

_SCALARS = frozenset({"str", "int", "float", "bool", "none"})
_SHOWN_PARTS = 4
_OBJECT = re.compile(r"a valid dictionary(?: or instance of \w+)?")


def invalid_request(error: ValidationError) -> InvalidRequest:
    """To be raised, `from None`."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    field = _field(problems[0]["loc"])
    same = [problem for problem in problems if problem["loc"][: len(field)] == field]
    deepest = max(len(_place(problem["loc"])) for problem in same)
    meant = [problem for problem in same if len(_place(problem["loc"])) == deepest]
    where = ".".join(str(part) for part in _place(meant[0]["loc"])[:_SHOWN_PARTS])
    # In JSON's words, and without the name of a class of ours.
    messages = list(dict.fromkeys(_OBJECT.sub("an object", str(problem["msg"])) for problem in meant))
    return InvalidRequest(", or ".join(messages), param=where or None)


def _is_branch(part: Any) -> bool:
    """Whether it names a type that was tried, not a place. Fields of bodies are never called like that."""
    return isinstance(part, str) and (part in _SCALARS or "[" in part)


def _place(loc: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(part for part in loc if not _is_branch(part))


def _field(loc: Sequence[Any]) -> tuple[Any, ...]:
    """The place up to where several types were tried."""
    cut = next((at for at, part in enumerate(loc) if _is_branch(part)), len(loc))
    return tuple(loc[:cut])
