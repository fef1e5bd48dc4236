"""The finished spans and the metrics of a telemetry engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.trace import SpanKind

from lumigate.telemetry import Telemetry
from lumigate.telemetry.readable import ReadableSpan
from lumigate.telemetry.records import HistogramPoint, NumberPoint


class Observed:
    """The finished spans and the metrics of a telemetry engine."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.spans: list[ReadableSpan] = []
        self._telemetry = telemetry
        self._totals: dict[str, dict[frozenset[tuple[str, Any]], float]] = {}
        telemetry.tracer_provider.add_span_processor(self)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """A span processor's; only ends count here."""

    def on_end(self, span: Any) -> None:
        self.spans.append(span)

    def span(self, name: str) -> ReadableSpan:
        """The one finished span of that name."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"{len(found)} spans are named {name!r}: {[span.name for span in self.spans]}"
        return found[0]

    def total(self, metric: str, **attributes: Any) -> float:
        """The sum of a counter, or the number of a histogram's measurements, over points with these attributes.

        Attribute names are written with `__` for a dot: `lumigate__outcome="complete"`.
        """
        self._collect()
        wanted = {(name.replace("__", "."), value) for name, value in attributes.items()}
        points = self._totals.get(metric, {})
        return sum(value for labels, value in points.items() if wanted <= labels)

    def labels(self, metric: str) -> list[dict[str, Any]]:
        """The attribute sets a metric was recorded with."""
        self._collect()
        return [dict(labels) for labels in self._totals.get(metric, {})]

    def _collect(self) -> None:
        for data in self._telemetry.collect_deltas():
            totals = self._totals.setdefault(data.name, {})
            for point in data.points:
                assert isinstance(point, NumberPoint | HistogramPoint)
                amount = point.value if isinstance(point, NumberPoint) else point.count
                key = frozenset(point.attributes.items())
                if amount:
                    totals[key] = totals.get(key, 0) + amount

    def tree(self, *attributes: str) -> str:
        """The span trees as indented lines: name, kind, `!` and the error's code if it failed, then `attributes`.

        Children stand under their parent in the order in which they were started.
        """
        lines: list[str] = []

        def draw(parent_id: int, depth: int) -> None:
            for span in sorted(self.spans, key=lambda s: s.start_time):
                known = {s.context.span_id for s in self.spans}
                above = span.parent.span_id if span.parent is not None else 0
                if above == parent_id or (parent_id == 0 and above not in known):
                    lines.append("  " * depth + _line(span, attributes))
                    draw(span.context.span_id, depth + 1)

        draw(0, 0)
        return "\n".join(lines)


def _line(span: ReadableSpan, attributes: Sequence[str]) -> str:
    words = [span.name]
    if span.kind is not SpanKind.INTERNAL:
        words.append(f"[{span.kind.name.lower()}]")
    if not span.status.is_unset:
        words.append(f"!{span.attributes.get('error.type', '')}")
    words += [str(span.attributes[name]) for name in attributes if name in span.attributes]
    return " ".join(words)
