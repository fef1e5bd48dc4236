"""A dashboard against the types that Grafana publishes for its schema: `grafana-foundation-sdk`, for development only.

The package's models read what they know and drop the rest, and check no types themselves. So a dashboard is read and
written again, where nothing may be lost or changed, and what was read is held against the models' own annotations.
"""

from __future__ import annotations

import enum
import importlib
import json
import sys
import types
import typing
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

SDK = "grafana_foundation_sdk"


def models() -> tuple[Any, Any]:
    """The dashboard's module and the encoder's; skips where the package cannot be had."""
    with warnings.catch_warnings():
        # the classic schema is deprecated there in favour of one that few Grafanas have
        warnings.simplefilter("ignore", DeprecationWarning)
        return _models()


def _models() -> tuple[Any, Any]:
    try:
        importlib.import_module(f"{SDK}.cog.plugins").register_default_plugins()
        return importlib.import_module(f"{SDK}.models.dashboard"), importlib.import_module(
            f"{SDK}.cog.encoder"
        )
    except ImportError as error:
        pytest.skip(f"grafana-foundation-sdk is missing: {error}")


def read(content: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The dashboard as Grafana's types know it, and what they write of it."""
    dashboard, _ = models()
    found = dashboard.Dashboard.from_json(content)
    return found, _plain(found)


def _plain(model: Any) -> dict[str, Any]:
    _, encoder = models()
    found: dict[str, Any] = json.loads(json.dumps(model, cls=encoder.JSONEncoder))
    return found


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """What is in the dashboard and not in what the types made of it. Defaults that they add are none of ours."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is not known"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path} was {before!r} and became {after!r}"


def wrong_types(value: Any, path: str = "") -> Iterator[str]:
    """Attributes of the models, all the way down, that are not what their class says."""
    kind = type(value)
    if isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from wrong_types(each, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from wrong_types(each, f"{path}.{key}")
    elif kind.__module__.startswith(SDK) and not isinstance(value, enum.Enum):
        hints = typing.get_type_hints(kind.__init__, vars(sys.modules[kind.__module__]))
        for name, each in vars(value).items():
            if name in hints and not _is(each, hints[name]):
                yield f"{path}.{name} is {each!r}, not {hints[name]}"
            yield from wrong_types(each, f"{path}.{name}")


def _is(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (Any, object) or isinstance(hint, typing.TypeVar):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, each) for each in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(_is(each, arguments[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is(each, arguments[1]) for each in value.values())
    if isinstance(value, dict) and getattr(hint, "__module__", "").startswith(SDK):
        # some lists the models leave as they came; what is in them has a class all the same
        made = hint.from_json(value)
        return not [*lost(value, _plain(made)), *wrong_types(made)]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [each.value for each in hint]
    kinds = (int, float) if hint is float else hint
    return isinstance(value, kinds) and (hint is bool or not isinstance(value, bool))
