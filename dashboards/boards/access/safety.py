"""Safety: personal data, geography, regions, and what policies refuse."""

from __future__ import annotations

from dashboards.boards.access.queries import Q
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, lines
from dashboards.promql import legend, where
from dashboards.targets import prom
from lumigate.catalog import (
    ERROR_TYPE,
    GEO_DECISIONS,
    GEO_POLICY,
    GEO_RESULT,
    PERSONAL_DATA_DURATION,
    PERSONAL_DATA_FINDINGS,
    PERSONAL_DATA_KIND,
    REGION_DECISIONS,
    REGION_RESULT,
    REGION_SOURCE,
    REQUEST_DURATION,
)
from lumigate.errors import CostCeilingExceeded, GeoDenied, PersonalDataRefused
from lumigate.region import RegionUnavailable


def safety(limits: Limits) -> list[Sized]:
    policies = (GeoDenied.code, PersonalDataRefused.code, CostCeilingExceeded.code, RegionUnavailable.code)
    refused = Q.rate(REQUEST_DURATION, where(ERROR_TYPE, *policies), by=(ERROR_TYPE,), part="_count")
    return [
        lines(
            "Personal data found",
            "Findings a second by kind, whatever the policy then does. Bad: a kind that this service should never see, "
            "such as cards; somebody pastes whole records.",
            prom(Q.rate(PERSONAL_DATA_FINDINGS, by=(PERSONAL_DATA_KIND,)), legend(PERSONAL_DATA_KIND)),
            unit="cps",
            colours=sorted(PERSONAL_DATA_KIND.values or ()),
            links=TO_EXPLORE,
        ),
        lines(
            "Time of the search for it",
            "Median and 99th percentile. Bad: above what is promised: "
            f"{limits.words('personal-data-checks')}; prompts have grown.",
            prom(Q.quantile(0.99, PERSONAL_DATA_DURATION), "p99", exemplar=True),
            prom(Q.quantile(0.5, PERSONAL_DATA_DURATION), "p50"),
            unit="s",
            colours=("p99", "p50"),
            bad=limits.at_most("personal-data-checks"),
            links=limits.links("personal-data-checks"),
        ),
        lines(
            "Refused by a policy",
            "Requests a second that a policy of ours refused: geography, a region, personal data, a ceiling of cost. "
            "Bad: a step up after a change of settings.",
            prom(refused, legend(ERROR_TYPE)),
            unit="reqps",
            colours=policies,
            links=TO_POINTS,
        ),
        lines(
            "Geographic policy",
            "Requests a second to which the policy made a difference: `narrowed` to the models that may answer the "
            "caller, or `refused`. Bad: `refused` after a change of models: none is left for a region.",
            prom(Q.rate(GEO_DECISIONS, by=(GEO_POLICY, GEO_RESULT)), legend(GEO_POLICY, GEO_RESULT)),
            unit="reqps",
            colours=[
                f"{policy} · {result}"
                for policy in sorted(GEO_POLICY.values or ())
                for result in sorted(GEO_RESULT.values or ())
            ],
            links=TO_POINTS,
        ),
        lines(
            "Bound to a region",
            "Requests a second whose data must stay in a region, by who says so, and those of them that nobody there "
            "could answer. Bad: `refused`: the region has no model for what was asked.",
            prom(
                Q.rate(REGION_DECISIONS, by=(REGION_SOURCE, REGION_RESULT)),
                legend(REGION_SOURCE, REGION_RESULT),
            ),
            unit="reqps",
            colours=[
                f"{source} · {result}"
                for source in sorted(REGION_SOURCE.values or ())
                for result in sorted(REGION_RESULT.values or ())
            ],
            links=TO_POINTS,
        ),
    ]
