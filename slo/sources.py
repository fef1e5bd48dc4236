"""Where standings are read from: a Prometheus that evaluates the rules, or Analytics Engine's SQL."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from slo import records
from slo.analytics import since_sql, sql, windows_of
from slo.durations import held, promql
from slo.model import Promise
from slo.promql import quoted
from slo.recording import OBSERVED_STEPS, SILENT_STEPS
from slo.standing import Reading
from slo.windows import tiers

TIMEOUT_SECONDS: Final = 30.0
PROMETHEUS_TOKEN: Final = "PROMETHEUS_TOKEN"  # noqa: S105 - the name of the variable, not what is in it
_RETENTION_UNITS: Final[Mapping[str, float]] = {
    "y": 31_536_000,
    "w": 604_800,
    "d": 86_400,
    "h": 3_600,
    "m": 60,
    "s": 1,
}


class SourceError(Exception):
    """The source could not be read; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Readings by promise, and what is to be known about the source. A promise without one is not in it."""

    readings: dict[str, Reading] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Promises that the source should know, and does not."""


def read_prometheus(
    url: str, promises: Sequence[Promise], since: float | None = None, step: float = 60.0
) -> Found:
    """`since`: seconds ago, for what has been burned from then on. Raises SourceError."""
    with prometheus_client(url) as client:
        found = Found()
        for promise in promises:
            reading = _prometheus_reading(client, promise, since, step)
            if reading is None:
                found.missing.append(promise.name)
                found.notes.append(f"{promise.name}: nothing is recorded; are the generated rules loaded?")
            else:
                found.readings[promise.name] = reading
        longest = max((promise.period for promise in promises), default=0.0)
        retention = _retention(client)
        if retention is not None and retention < longest:
            found.notes.append(
                f"Prometheus keeps {promql(retention)}, shorter than the period of {promql(longest)}: "
                f"start it with --storage.tsdb.retention.time={promql(math.ceil(longest / 86_400 + 1) * 86_400)}"
            )
        return found


def _prometheus_reading(
    client: httpx.Client, promise: Promise, since: float | None, step: float
) -> Reading | None:
    identity = f"{records.SERVICE}={quoted(promise.service)},{records.SLO}={quoted(promise.name)}"
    windows = {w for tier in tiers(promise.period, step) for w in (tier.long, tier.short)} | {promise.period}
    counts: dict[str, dict[float, float]] = {records.BAD: {}, records.TOTAL: {}}
    for name, values in counts.items():
        parts = [
            f'label_replace(sum_over_time({name}{{{identity}}}[{held(w)}]), "range", "{w:.15g}", "", "")'
            for w in sorted(windows)
        ]
        for labels, value in _query(client, " or ".join(parts)):
            values[float(labels["range"])] = value
    if promise.period not in counts[records.TOTAL]:
        return None
    covered = _one(client, f"{records.COVERAGE}{{{identity}}}") or 0.0
    expected = _one(client, f"{records.COVERAGE_EXPECTED}{{{identity}}}")
    lately = promql((OBSERVED_STEPS + SILENT_STEPS) * step)
    observed = _one(client, f"max_over_time({records.OBSERVED}{{{identity}}}[{lately}])")
    return Reading(
        bad=counts[records.BAD],
        total=counts[records.TOTAL],
        coverage=covered / expected if expected else covered,
        covered=covered,
        silent=not observed,
        bad_since=(
            None
            if since is None
            else _one(client, f"sum_over_time({records.BAD}{{{identity}}}[{promql(since)}])") or 0.0
        ),
    )


def prometheus_client(url: str, environ: Mapping[str, str] = os.environ) -> httpx.Client:
    """For a Prometheus, or what speaks like one; PROMETHEUS_TOKEN is its bearer token, if it wants one."""
    return _client(url, environ.get(PROMETHEUS_TOKEN, ""))


def _client(url: str, token: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        return httpx.Client(base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS, headers=headers)
    except httpx.InvalidURL as error:
        raise SourceError(f"this is no address: {error}") from None
    except UnicodeEncodeError:
        raise SourceError("the token has characters that no token has") from None


def query_prometheus(url: str, query: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of each sample. Raises SourceError."""
    with prometheus_client(url) as client:
        return _query(client, query)


def query_analytics_engine(url: str, account: str, token: str, sql: str) -> list[dict[str, Any]]:
    """The rows of an answer. Raises SourceError."""
    with _client(url, token) as client:
        content = _answer(client, "POST", f"/client/v4/accounts/{account}/analytics_engine/sql", content=sql)
    try:
        return [dict(row) for row in content["data"]]
    except (KeyError, TypeError, ValueError):
        raise SourceError("the answer is not like Analytics Engine's") from None


def _one(client: httpx.Client, query: str) -> float | None:
    return next((value for _, value in _query(client, query)), None)


def _query(client: httpx.Client, query: str) -> list[tuple[dict[str, str], float]]:
    content = _answer(client, "POST", "/api/v1/query", data={"query": query})
    try:
        return [(sample["metric"], float(sample["value"][1])) for sample in content["data"]["result"]]
    except (KeyError, TypeError, ValueError, IndexError):
        raise SourceError(f"{_shown(client)} does not answer like Prometheus") from None


def _retention(client: httpx.Client) -> float | None:
    """Seconds; None where it is not told, as by most of what only speaks Prometheus' language."""
    try:
        content = _answer(client, "GET", "/api/v1/status/runtimeinfo")
        text = str(content["data"]["storageRetention"])
    except (SourceError, KeyError, TypeError):
        return None
    parts = re.findall(r"(\d+)(y|w|d|h|m|s)(?![a-zA-Z])|(\d+)(y|w|d|h|m|s)(?=\d)", text.partition(" or ")[0])
    seconds = sum(int(a or c) * _RETENTION_UNITS[b or d] for a, b, c, d in parts)
    return float(seconds) or None


def read_analytics_engine(
    url: str, account: str, token: str, dataset: str, promises: Sequence[Promise], start: int | None = None
) -> Found:
    """`start`: Unix time, for what has been burned from then on. Raises SourceError."""
    found = Found()
    with _client(url, token) as client:
        path = f"/client/v4/accounts/{account}/analytics_engine/sql"
        for promise in promises:
            text = sql(promise, dataset)
            if text is None:
                found.notes.append(
                    f"{promise.name}: the data point does not hold what it needs; ask Prometheus"
                )
                continue
            row = _row(_answer(client, "POST", path, content=text))
            windows = windows_of(promise)
            bad_since = None
            if start is not None and (query := since_sql(promise, dataset, start)) is not None:
                bad_since = number(_row(_answer(client, "POST", path, content=query)), "bad_since")
            found.readings[promise.name] = Reading(
                bad={float(w): number(row, f"bad_{w}") for w in windows},
                total={float(w): number(row, f"total_{w}") for w in windows},
                bad_since=bad_since,
            )
    if found.readings and not any(total for one in found.readings.values() for total in one.total.values()):
        # there is no heartbeat among points: idle cannot be told from broken, and a gate must not open on nothing
        empty = "not one data point in the period: is the dataset right, and does the Worker write to it?"
        readings = {name: replace(one, coverage=0.0) for name, one in found.readings.items()}
        return Found(readings=readings, notes=[*found.notes, empty])
    return found


def _row(content: Any) -> dict[str, Any]:
    try:
        rows = content["data"]
        return dict(rows[0]) if rows else {}
    except (KeyError, TypeError, ValueError, IndexError):
        raise SourceError("the answer is not like Analytics Engine's") from None


def number(row: Mapping[str, Any], name: str) -> float:
    """A column of a row; 0 where it is missing. Raises SourceError."""
    try:
        return float(row.get(name) or 0)  # integers of 64 bits come as text
    except (TypeError, ValueError):
        raise SourceError(f"{name} is no number in the answer of Analytics Engine") from None


def _answer(client: httpx.Client, method: str, path: str, **request: Any) -> Any:
    try:
        response = client.request(method, path, **request)
    except httpx.HTTPError as error:
        raise SourceError(
            f"{_shown(client)} cannot be reached: {str(error) or type(error).__name__}"
        ) from None
    if response.status_code != 200:
        text = " ".join(response.text[:200].split())
        raise SourceError(
            f"{_shown(client)} answered {response.status_code}: {text}{_advice(response, path)}"
        )
    try:
        return response.json()
    except ValueError:
        raise SourceError(f"{_shown(client)} answered something that is not JSON") from None


def _shown(client: httpx.Client) -> str:
    """The source's address, without a password that may be in it."""
    return str(client.base_url.copy_with(userinfo=b""))


def _advice(response: httpx.Response, path: str) -> str:
    if response.status_code in (401, 403):
        token = "CLOUDFLARE_API_TOKEN" if path.startswith("/client/") else PROMETHEUS_TOKEN
        return f" (its token goes into {token})"
    if response.is_redirect:
        return f" (it is at {response.headers.get('location')})"
    return ""
