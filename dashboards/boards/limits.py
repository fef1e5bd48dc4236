"""What is promised, for thresholds and descriptions: read from the promises, so that neither can say something else."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.boards import uids
from dashboards.links import Link, link, page
from slo.model import Counted, Promise
from slo.runbooks import FOLDER


class Limits:
    """The promises by name. A name that is not there is a KeyError at build."""

    def __init__(self, promises: Sequence[Promise], runbook_url: str) -> None:
        self._promises = {promise.name: promise for promise in promises}
        self._runbook_url = runbook_url

    def links(self, name: str) -> list[Link]:
        """From a panel that shows what is promised: how the promise stands, and what to do when it breaks."""
        return [link("Promises", uids.SLO), self.runbook(self._promises[name].name)]

    def runbook(self, name: str) -> Link:
        """Of a promise or of an alert of the telemetry itself. One that is not there is a KeyError at build."""
        if not (FOLDER / f"{name}.md").is_file():
            raise KeyError(f"there is no runbook {name}.md")
        return page("Runbook", f"{self._runbook_url}/{name}.md")

    def at_most(self, name: str) -> float:
        """The bound of a promise about a time or a cost."""
        indicator = self._promises[name].indicator
        assert isinstance(indicator, Counted)
        bounds = [s.at_most for s in self._promises[name].selections() if s.at_most is not None]
        return bounds[0]

    def target(self, name: str) -> float:
        return float(self._promises[name].target)

    def budget(self, name: str) -> float:
        return float(self._promises[name].budget)

    def words(self, name: str) -> str:
        """The promise as part of a sentence: `2.56 s for 95% of them`."""
        bound, metric = self.at_most(name), self._promises[name].selections()[0].metric
        unit = "ms" if metric.unit == "s" and bound < 1 else "s" if metric.unit == "s" else "USD"
        return (
            f"{bound * 1000 if unit == 'ms' else bound:g} {unit} for {self._promises[name].percent} of them"
        )
