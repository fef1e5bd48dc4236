"""Rules and groups of them, and how they are written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from slo.durations import promql

HEADER: Final = (
    "# Made by `lumigate slo build` from slo/specs. Do not edit: `lumigate slo check` fails on drift.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A recording rule."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        return {
            "record": self.record,
            "expr": self.expr,
            **({"labels": dict(self.labels)} if self.labels else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alerting rule. `queries` are what its texts read beside its own value, for generators that need them apart.

    `runbook` is the page in `slo/runbooks/`, without its ending.
    """

    alert: str
    expr: str
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    runbook: str
    wait: float = 0.0

    def content(self) -> dict[str, Any]:
        return {
            "alert": self.alert,
            "expr": self.expr,
            **({"for": promql(self.wait)} if self.wait else {}),
            "labels": {**self.labels, "severity": self.severity},
            "annotations": dict(self.annotations),
        }


type Rule = Record | Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules evaluated in order, at the same instant: a later one sees what an earlier one has just recorded."""

    name: str
    interval: float
    rules: tuple[Rule, ...]

    def content(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "interval": promql(self.interval),
            "rules": [rule.content() for rule in self.rules],
        }

    @property
    def alerts(self) -> list[Alert]:
        return [rule for rule in self.rules if isinstance(rule, Alert)]


def rule_file(groups: Iterable[Group]) -> str:
    """A Prometheus rule file."""
    return to_yaml({"groups": [group.content() for group in groups]})


def to_yaml(content: Any) -> str:
    """YAML with a header; texts of several lines as blocks, keys in the order given."""
    body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return HEADER + body


class _Dumper(yaml.SafeDumper):
    """Writes multi-line texts as literal blocks, indents lists, and repeats rather than use anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
