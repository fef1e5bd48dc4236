"""A Prometheus of which a test says what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from slo.durations import DAY, MINUTE
from slo.windows import tiers

type Answer = Callable[[str, str], tuple[int, Any]]
"""Status and content, of a path and a body."""


def always(answer: tuple[int, Any]) -> Answer:
    return lambda _path, _body: answer


def prometheus(bad: float, total: float, retention: str = "15d") -> Answer:
    def answer(path: str, body: str) -> tuple[int, Any]:
        if path.endswith("/runtimeinfo"):
            return 200, {"status": "success", "data": {"storageRetention": retention}}
        (query,) = parse_qs(body)["query"]
        if "label_replace" in query:
            value = bad if "slo:bad" in query else total
            windows = {w for tier in tiers(30 * DAY, MINUTE) for w in (tier.long, tier.short)} | {30 * DAY}
            result = [{"metric": {"range": f"{w:.15g}"}, "value": [0, str(value)]} for w in windows]
        else:
            certain = "coverage" in query or "observed" in query
            result = [{"metric": {}, "value": [0, "1" if certain else str(bad / 2)]}]
        return 200, {"status": "success", "data": {"resultType": "vector", "result": result}}

    return answer


def changed(answer: Answer, changes: Callable[[str], list[Any] | None]) -> Answer:
    """The same, but for the queries to which `changes` has a result of its own."""

    def answered(path: str, body: str) -> tuple[int, Any]:
        (query,) = parse_qs(body).get("query", [""])
        result = changes(query)
        return answer(path, body) if result is None else (200, {"data": {"result": result}})

    return answered
