"""Attributes as Prometheus labels: names translated, values as text, escaped for the exposition."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from lumigate.exposition.names import prometheus_label
from lumigate.telemetry.records import AttributeValue

INSTANCE: Final = "service_instance_id"
"""Says which shard a series belongs to. Not `instance`, which a scrape sets to the endpoint scraped."""
_OURS: Final = frozenset({INSTANCE, "le"})
_TO_ESCAPE: Final = re.compile(r'[\\\n"]')
_LEGACY: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", '"': '\\"'}


class LabelWriter:
    """Writes label sets for one exposition; remembers the names and values it has seen."""

    __slots__ = ("_names", "_utf8", "_values")

    def __init__(self, *, utf8: bool) -> None:
        self._utf8 = utf8
        self._names: dict[str, str] = {}
        self._values: dict[str, str] = {}

    def text(self, attributes: Mapping[str, AttributeValue], tail: str) -> str:
        """`key="value",…` and then `tail`. Empty values are left out: to Prometheus they are no label."""
        names, values = self._names, self._values
        found: dict[str, str] = {}
        for key, value in attributes.items():
            name = names.get(key)
            if name is None:
                name = names[key] = self._name(key)
            text = value if type(value) is str else label_value(value)
            escaped = values.get(text)
            if escaped is None:
                escaped = values[text] = escape(text)
            if not name or not escaped:
                continue
            # two keys that became one name: Prometheus' translation joins their values
            found[name] = f"{found[name]};{escaped}" if name in found else escaped
        return ",".join([*[f'{name}="{value}"' for name, value in found.items()], *([tail] if tail else [])])

    def _name(self, key: str) -> str:
        name = key if self._utf8 else prometheus_label(key)
        # what begins with two underscores is the format's own
        name = f"exported_{name}" if name in _OURS or name.startswith("__") else name
        return quoted_unless_legacy(name) if self._utf8 else name


def label_value(value: AttributeValue) -> str:
    """An attribute value as text: texts as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    plain = value if isinstance(value, (bool, int, float)) else list(value)
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def escape(text: str) -> str:
    """A label value between quotes."""
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def quoted_unless_legacy(name: str) -> str:
    """A metric or label name as an exposition with UTF-8 names writes it."""
    return name if _LEGACY.fullmatch(name) else f'"{escape(name)}"'
