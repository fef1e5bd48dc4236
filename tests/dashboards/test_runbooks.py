"""The queries that a runbook asks first are asked of a real Prometheus under a known mix, and answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from slo.runbooks import FOLDER, queries
from tests.dashboards.conftest import Run
from tests.dashboards.filled import without_zero
from tests.slo.programs import wait

MAY_BE_EMPTY: Mapping[str, str] = {
    "counts-contradict 1": "the counts agree; `test_runbook_queries` shows it where they do not",
    "credential-store 1": "nothing makes the store of credentials fail here",
}
"""Pages and the numbers of their queries that find nothing under the mix, each with the reason."""
_PATIENCE_SECONDS = 20


def test_every_query_of_every_runbook_has_an_answer(run: Run) -> None:
    """Windows of promises are other ones here, since time is compressed; labels and series are not."""
    asked = {
        f"{path.stem} {number}": re.sub(r'window=~?"[^"]+"', 'window=~".+"', without_zero(query))
        for path in sorted(FOLDER.glob("*.md"))
        for number, query in enumerate(queries(path.read_text("utf-8")), start=1)
    }

    def silent() -> set[str]:
        return {name for name, query in asked.items() if not run.query(query)}

    # a busy machine misses scrapes, and growth takes two of them: such a query is asked again
    wait(lambda: silent() <= MAY_BE_EMPTY.keys(), _PATIENCE_SECONDS, f"answers to {silent()}")
    assert silent() == MAY_BE_EMPTY.keys(), "one of these has data after all"
