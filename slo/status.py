"""`lumigate slo status`: the standings as a table or JSON, and a release gate by exit code."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx

from slo.build import Sources
from slo.durations import MINUTE, promql
from slo.model import Promise
from slo.sources import TIMEOUT_SECONDS, Found, SourceError, read_analytics_engine, read_prometheus
from slo.standing import Gate, Standing, overall, standing

EXIT_CODES = """\
exit codes: 0 releases may go on · 1 the source could not be read · 3 a budget is spent and the policy blocks releases ·
4 a budget burns at a page's speed now · 5 too little was observed to say"""
_WORDS = {
    Gate.OPEN: "open: releases may go on",
    Gate.BLOCKED: "blocked: a budget is spent",
    Gate.BURNING: "burning: a budget burns at a page's speed",
    Gate.UNOBSERVED: "unobserved: too little was seen to say",
    Gate.UNREADABLE: "unreadable: there is nothing to go by",
}


def status(arguments: Namespace, sources: Sources) -> int:
    """Read, judge, print. Returns a `Gate`."""
    chosen = [p for p in sources.promises if not arguments.slo or p.name in arguments.slo]
    if unknown := set(arguments.slo or ()) - {p.name for p in chosen}:
        known = ", ".join(p.name for p in sources.promises)
        print(f"lumigate slo: there is no promise {min(unknown)!r}; there are {known}", file=sys.stderr)
        return 2
    try:
        found = _read(arguments, sources, chosen)
    except SourceError as error:
        print(f"lumigate slo: {error}", file=sys.stderr)
        return Gate.UNREADABLE
    step = _step(arguments, sources)
    standings = [
        standing(p, found.readings[p.name], sources.policy, step) for p in chosen if p.name in found.readings
    ]
    gate = overall(standings) if standings else Gate.UNREADABLE
    if gate is Gate.OPEN and found.missing:
        gate = Gate.UNOBSERVED
    if arguments.json:
        content = {
            "gate": gate.name.lower(),
            "slos": [each.content() for each in standings],
            "missing": found.missing,
            "notes": found.notes,
        }
        print(json.dumps(content, indent=2))
    else:
        print(table(standings, step))
        for note in found.notes:
            print(f"note: {note}")
        if arguments.since is not None:
            print(burned(standings, arguments.deploy))
        print(f"gate: {_WORDS[gate]}")
    if arguments.annotate:
        try:
            _annotate(arguments, standings)
        except SourceError as error:
            print(f"lumigate slo: {error}", file=sys.stderr)
            return Gate.UNREADABLE
    return gate


def table(standings: Sequence[Standing], step: float = MINUTE) -> str:
    """One line a promise, aligned."""
    heads = (
        "SLO",
        "objective",
        "attained",
        "bad",
        "events",
        "budget left",
        "burn 1st",
        "lasts",
        "observed",
        "state",
    )
    rows = [heads, *(_cells(each, step) for each in standings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = []
    for row in rows:
        first, *middle, last = (
            cell.ljust(width) if column in (0, len(heads) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *middle, last]).rstrip())
    return "\n".join(lines)


def burned(standings: Sequence[Standing], deploy: str | None) -> str:
    """What has been burned since a deploy, in a line."""
    what = f"deploy {deploy}" if deploy else "this deploy"
    if all(each.burned_since is None for each in standings):
        return what  # nobody asked since when
    parts = [
        f"{each.burned_since:.1%} of {each.promise.name}"
        for each in sorted(standings, key=lambda each: -(each.burned_since or 0))
        if each.burned_since
    ]
    return f"{what} burned {', '.join(parts)}" if parts else f"{what} burned nothing of any budget"


def _cells(each: Standing, step: float) -> tuple[str, ...]:
    pace = each.burn.get(each.promise.tiers(step)[0].long, 0.0)
    return (
        each.promise.name,
        each.promise.percent,
        f"{each.attainment:.4%}" if each.total else "no events",
        f"{each.bad:,.0f}",
        f"{each.total:,.0f}",
        f"{each.remaining:.1%}",
        f"{pace:.2f}x",
        "-" if each.exhaustion is None else _rough(each.exhaustion),
        "-" if each.covered is None else f"{each.covered:.1%}",
        _state(each),
    )


def _state(each: Standing) -> str:
    parts = [f"{each.stage.name.lower()} spent"] if each.stage else []
    parts += [f"burning ({severity})" for severity in sorted(each.burning)]
    parts += ["silent"] if each.silent else []
    parts += ["unobserved"] if each.gate is Gate.UNOBSERVED and not each.silent else []
    return ", ".join(parts) or "ok"


def _rough(seconds: float) -> str:
    """The two largest units."""
    if seconds <= 0:
        return "gone"
    whole = max(60, int(seconds) // 60 * 60)
    size = 3600 if whole >= 86_400 else 60
    return promql(max(size, whole // size * size))


def _step(arguments: Namespace, sources: Sources) -> float:
    """What windows are multiples of: the rules' step, or minutes where no rules are."""
    return MINUTE if arguments.analytics_engine else sources.settings.step_seconds


def _read(arguments: Namespace, sources: Sources, chosen: list[Promise]) -> Found:
    start: datetime | None = arguments.since
    if arguments.analytics_engine:
        account, token = (
            os.environ.get(name, "") for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN")
        )
        if not account or not token:
            raise SourceError("Analytics Engine needs CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN set")
        dataset = sources.settings.analytics_engine_dataset
        at = None if start is None else int(start.timestamp())
        return read_analytics_engine(arguments.analytics_engine, account, token, dataset, chosen, at)
    ago = None if start is None else (datetime.now(UTC) - start).total_seconds()
    if ago is not None and ago < 1:
        raise SourceError("--since is not in the past")
    return read_prometheus(arguments.prometheus, chosen, ago, sources.settings.step_seconds)


def _annotate(arguments: Namespace, standings: Sequence[Standing]) -> None:
    """Mark the deploy in Grafana: from its start until now, with what it burned."""
    token = os.environ.get("GRAFANA_TOKEN", "")
    if not token:
        raise SourceError("an annotation needs GRAFANA_TOKEN set, a token that may write annotations")
    now = datetime.now(UTC)
    content = {
        "time": int((arguments.since or now).timestamp() * 1000),
        "timeEnd": int(now.timestamp() * 1000),
        "tags": ["deploy", "lumigate", *([arguments.deploy] if arguments.deploy else [])],
        "text": burned(standings, arguments.deploy),
    }
    try:
        response = httpx.post(
            f"{arguments.annotate.rstrip('/')}/api/annotations",
            json=content,
            headers={"authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{arguments.annotate} cannot be reached: {error}") from None
    if response.status_code != 200:
        raise SourceError(f"{arguments.annotate} answered {response.status_code} to the annotation")
