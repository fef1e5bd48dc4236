"""The whole exposition: the families of all shards merged, each under one header.

A shard renders its families and sends them as one text, a *fragment*; whoever answers the scrape merges fragments
without reading their samples. Formats: Prometheus text 0.0.4 (and 1.0.0, which differs in UTF-8 names only) and
OpenMetrics 1.0, https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from lumigate.exposition.families import Family
from lumigate.exposition.labels import quoted_unless_legacy
from lumigate.exposition.negotiation import Format


def fragment(families: Iterable[Family]) -> str:
    """Families as one text for RPC: a line of headers, then all samples."""
    families = list(families)
    heads = [[f.name, f.type, f.help, f.unit, len(f.samples)] for f in families]
    return "\n".join([json.dumps(heads, separators=(",", ":")), "".join([f.samples for f in families])])


def families_of(text: str) -> list[Family]:
    """The families of a fragment. Raises ValueError if it is none."""
    first, _, samples = text.partition("\n")
    found: list[Family] = []
    at = 0
    for name, kind, description, unit, length in json.loads(first):
        found.append(
            Family(name=name, type=kind, help=description, unit=unit, samples=samples[at : at + length])
        )
        at += length
    if at != len(samples):
        raise ValueError("a fragment whose samples are not as long as it says")
    return found


def exposition(fragments: Iterable[str], form: Format) -> str:
    """The answer to a scrape. Where shards disagree on a family's type, the last one's samples are told."""
    merged: dict[str, Family] = {}
    for family in (family for text in fragments for family in families_of(text)):
        before = merged.get(family.name)
        if before is None or before.type != family.type:
            merged[family.name] = family
        else:
            merged[family.name] = replace(family, samples=before.samples + family.samples)
    parts = [_header(family, form) + family.samples for family in merged.values()]
    return "".join([*parts, "# EOF\n"] if form.open_metrics else parts)


def _header(family: Family, form: Format) -> str:
    name, kind = family.name, family.type
    if not form.open_metrics:
        # the old format names the samples, and knows no info
        name += {"counter": "_total", "info": "_info"}.get(kind, "")
        kind = "gauge" if kind == "info" else kind
    description = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    if form.open_metrics:
        description = description.replace('"', '\\"')
    name = quoted_unless_legacy(name) if form.utf8 else name
    lines = [f"# HELP {name} {description}"] if description else []
    lines.append(f"# TYPE {name} {kind}")
    # OpenMetrics wants the unit to end the name, which it does unless the name said it earlier
    if form.open_metrics and family.unit and family.name.endswith(f"_{family.unit}"):
        lines.append(f"# UNIT {name} {family.unit}")
    return "\n".join([*lines, ""])
