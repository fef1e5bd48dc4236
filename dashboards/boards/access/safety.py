"""Safety: personal data, geography, regions, and what policies refuse."""

from __future__ import annotations

from dashboards.panels import Sized, lines
from dashboards.promql import legend, where
from dashboards.targets import prom
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS, TO_SLO
from lumigate.errors import CostCeilingExceeded, GeoDenied, PersonalDataRefused
from lumigate.catalog import (ERROR_TYPE, PERSONAL_DATA_DURATION, PERSONAL_DATA_FINDINGS, PERSONAL_DATA_KIND, REQUEST_DURATION)
from dashboards.boards.access.queries import Q

def safety(limits: Limits) -> list[Sized]:
    policies = (GeoDenied.code, PersonalDataRefused.code, CostCeilingExceeded.code)
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
            links=TO_SLO,
        ),
        lines(
            "Refused by a policy",
            "Requests a second that a policy of ours refused: geography, personal data, a ceiling of cost. Bad: a "
            "step up after a change of settings.",
            prom(refused, legend(ERROR_TYPE)),
            unit="reqps",
            colours=policies,
            links=TO_POINTS,
        ),
    ]
