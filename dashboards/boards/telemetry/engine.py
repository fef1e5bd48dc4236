"""The engine in the isolates: what becomes of traces, and what should not happen."""

from __future__ import annotations

from dashboards.boards.onward import TO_EXPLORE
from dashboards.boards.telemetry.queries import Q
from dashboards.panels import Sized, lines
from dashboards.promql import attribute_of, legend
from dashboards.targets import prom
from lumigate.telemetry import self_metrics as own
from lumigate.telemetry.schema import Metric


def traces() -> list[Sized]:
    decision, why = attribute_of(own.SPANS, "decision"), attribute_of(own.TRACES_KEPT, "reason")
    return [
        lines(
            "Spans by decision",
            "Ended spans by what became of their trace. Bad: `kept` near zero, or all of them: the share is set wrong.",
            prom(Q.rate(own.SPANS, by=(decision,)), legend(decision)),
            unit="cps",
            colours=sorted(decision.values or ()),
            stacked=True,
            width=8,
            links=TO_EXPLORE,
        ),
        lines(
            "Traces kept, by reason",
            "Why traces were kept. Bad: `error` or `slow` rise: so do errors and slowness.",
            prom(Q.rate(own.TRACES_KEPT, by=(why,)), legend(why)),
            unit="cps",
            colours=[*sorted(why.values or ()), "other"],
            width=8,
            links=TO_EXPLORE,
        ),
        lines(
            "Cut short",
            "Traces closed by the engine, and parts of spans left out. Bad: `unfinished`: requests die unseen; parts: "
            "attributes that nobody declared.",
            prom(Q.rate(own.TRACES_UNFINISHED), "unfinished"),
            prom(
                Q.rate(own.PARTS_DROPPED, by=(attribute_of(own.PARTS_DROPPED, "part"),)),
                legend(attribute_of(own.PARTS_DROPPED, "part")),
            ),
            unit="cps",
            colours=("unfinished", "attribute", "event", "link"),
            width=8,
            links=TO_EXPLORE,
        ),
    ]


def defects() -> list[Sized]:
    return [
        by_word(
            "Swallowed errors",
            own.ENGINE_ERRORS,
            "where",
            "Exceptions that the engine kept from its host. Bad: any: report it.",
        ),
        by_word(
            "Misuse",
            own.MISUSE,
            "kind",
            "Calls the engine could not honour. Bad: any: a defect of the application.",
        ),
        by_word(
            "Recoveries",
            own.FLUSH_RECOVERIES,
            "what",
            "Leases and batches taken over from a request that died. Bad: many: requests are cut; "
            "see the platform row of the overview.",
        ),
    ]


def by_word(title: str, metric: Metric, key: str, description: str) -> Sized:
    attribute = attribute_of(metric, key)
    return lines(
        title,
        description,
        prom(Q.grown_by_step(metric, by=(attribute,)), legend(attribute)),
        unit="short",
        colours=sorted(attribute.values) if attribute.values else None,
        bars=True,
        width=8,
        links=TO_EXPLORE,
    )
