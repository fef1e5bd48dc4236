"""The runbooks, checked: one for each alert, complete, and with queries that name only what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lumigate.catalog import METRICS
from lumigate.exposition.names import prometheus_label, prometheus_name
from lumigate.telemetry.schema import InstrumentKind
from slo import records
from slo.build import ROOT, Sources
from slo.prometheus import promise_group, service_group
from slo.rules import Group

FOLDER: Final = ROOT / "runbooks"
HEADINGS: Final = ("## Symptom", "## First three checks", "## Likely causes", "## Mitigate here")
_OF_ANY: Final = frozenset({"le", "service_instance_id", "job", "instance"})
_OURS: Final = re.compile(r"\b(?:lumigate|http_server|gen_ai)_\w+|\bslo:\w+:\w+")
_LABELS: Final = re.compile(r"([\w:]+)\{([^}]*)\}")


def faults(sources: Sources, folder: Path = FOLDER) -> list[str]:
    """What is wrong with the runbooks, a line each."""
    wanted = {alert.runbook for group in _groups(sources) for alert in group.alerts}
    there = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    found = [
        f"runbooks/{name}.md: an alert needs it, and it is missing" for name in sorted(wanted - set(there))
    ]
    found += [f"runbooks/{name}.md: no alert leads here" for name in sorted(set(there) - wanted)]
    for name, text in sorted(there.items()):
        found += [f"runbooks/{name}.md: {fault}" for fault in _faults_of(text)]
    return found


def queries(text: str) -> list[str]:
    """The queries of a page."""
    return [" ".join(block.split()) for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL)]


def _groups(sources: Sources) -> list[Group]:
    return [
        *(promise_group(promise, sources.settings) for promise in sources.promises),
        service_group(sources.settings, sources.policy),
    ]


def _faults_of(text: str) -> Iterator[str]:
    missing = [heading for heading in HEADINGS if heading not in text]
    if missing:
        yield f"the part {missing[0]!r} is missing"
    if len(queries(text)) != 3:
        yield "the first three checks are three queries"
    known = known_labels()
    for query in queries(text):
        # grouping and values are labels, not series
        series = re.sub(r'\b(?:by|on|without|ignoring) ?\([^)]*\)|"[^"]*"|\{[^}]*\}', " ", query)
        for name in _OURS.findall(series):
            if name not in known:
                yield f"nothing emits {name!r}"
        for name, inside in _LABELS.findall(query):
            for label in re.findall(r"(\w+)\s*[!=]~?=?\s*\"", inside):
                if name in known and label not in known[name]:
                    yield f"{name} has no label {label!r}"


def known_labels() -> dict[str, frozenset[str]]:
    """Every series there can be, with the labels it can have."""
    found: dict[str, frozenset[str]] = {}
    for metric in METRICS:
        labels = frozenset({*(prometheus_label(a.key) for a in metric.attributes), *_OF_ANY})
        name = prometheus_name(metric)
        names = [name]
        if metric.kind is InstrumentKind.HISTOGRAM:
            names = [f"{name}_bucket", f"{name}_sum", f"{name}_count"]
        found |= dict.fromkeys(names, labels)
    recorded = (
        value for value in vars(records).values() if isinstance(value, str) and value.startswith("slo:")
    )
    return found | dict.fromkeys(
        recorded, frozenset({records.SERVICE, records.SLO, records.WINDOW, records.EVENT})
    )
