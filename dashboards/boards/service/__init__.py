"""Service overview: are users happy, and if not, is it us, a provider, or the platform."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.board import Board, Row, deploys
from dashboards.boards import promises as slo
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.boards.service import platform, red, saturation, sessions, versions, whose_time
from dashboards.variables import metrics_of, route
from slo.model import Promise


def board(promises: Sequence[Promise], limits: Limits, step: float = slo.STEP_SECONDS) -> Board:
    return Board(
        uid=uids.SERVICE,
        title="Service overview",
        description="Are users happy: promises, traffic, errors, time, saturation, and the platform underneath.",
        tags=("service", "red"),
        variables=[*metrics_of(), route()],
        annotations=deploys(),
        rows=[
            Row(title="Promises", panels=slo.overview(promises, limits, step)),
            Row(title="Traffic, errors, time", panels=[*red.red(limits), *red.time()]),
            Row(title="Whose time it is", panels=whose_time.whose_time(limits)),
            Row(title="Saturation", panels=saturation.panels()),
            Row(title="Coding sessions", panels=sessions.panels()),
            Row(title="Versions", panels=versions.versions(limits)),
            Row(title="Platform", panels=platform.platform(limits)),
        ],
    )
